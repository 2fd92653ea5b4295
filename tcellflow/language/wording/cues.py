"""Words that turn what is said of a marker: negations, verbs, suppositions, and where clauses end.

Invariant: patterns alone, without any decision; what follows from them is decided where they are used.
"""

from __future__ import annotations

import re
from typing import Final

_VERB: Final = (
    r"(?:lack|do|does|did|not|no|without|is|are|was|were|express|show|negative"
    r"|positive|absent|fail|contain|have|has"
    r"|co-?express|carry|display|exhibit|retain|remain)"
)
HARD: Final = re.compile(
    r";|\b(?:but|while|whereas|although|however|yet|though|except|unlike|without)\b"
    r"|\b(?:in contrast to|rather than|as opposed to|instead of|with (?:no|little|low|absent))\b"
    r"|, which\b(?=[^.;]*\bshould\b)"
    r"|, (?=\S+ (?:nowhere|not at all|in none)\b)"
    rf"|\band (?=(?:(?:instead|rather|also|still|now|(?-i:[a-z]+ly)) )?{_VERB}(?:s|es|ing|ed)?\b)"
    r"|, and (?=\s*(?:[^\s,;]+\s+){1,6}(?:such as|including)\b)"
    r"|, (?=(?:and )?(?:almost |very |only |just )*(?:few|none|all|most|many)\b)"
    r"|\band (?=(?:almost |virtually |nearly |practically )?(?:none|all|most|few)\b)"
    rf"|, (?=(?:and )?{_VERB}(?:s|es|ing|ed)?\b)"
    r"|, (?=(?:and )?(?:they|it|these|those|this|the|with|showing|suggesting|consistent"
    r"|indicating|in line)\b)",
    re.IGNORECASE,
)
_WORD: Final = r"[A-Za-z][\w/+-]*(?:\s*\([^)]*\))?"
SOFT: Final = re.compile(
    rf"(?:,\s*(?:and\s+)?|\b(?:and|or)\s+)(?=(?:the )?{_WORD}(?:(?:, and |, | and | or ){_WORD})*"
    r" (?:expression |transcripts? )?(?:is|are|was|were|isn't|aren't|wasn't|weren't|remains?|in|at|reach\w*)"
    r"\b)"
)
SAYS: Final = re.compile(
    r"\b(?:is|are|was|were|isn't|aren't|wasn't|weren't|express\w*|lack\w*|show\w*|contain\w*|defin\w+|marks?"
    r"|identif\w+|reach\w*|carr(?:y|ies|ied)|transcribes?|stands?|ha(?:ve|s|d)|co-?express\w*)\b(?!.*\bthat\b)|%",
    re.IGNORECASE,
)
ENDS_WITH: Final = re.compile(
    r"\b(?:absent|lacking|undetect\w*|unseen|silent|missing|negative(?! for)"
    r"|(?:not|n't|never) (?:\w+ )?(?:detected|expressed|seen|found|observed|present|detectable))\b",
    re.IGNORECASE,
)
NOT_SO: Final = re.compile(
    r"\bnot (?:only|just|merely|surprising\w*)\b|\bno doubt\b|\bnot \w+ negative\b", re.IGNORECASE
)
BEFORE: Final = re.compile(
    r"\b(?:no(?! (?:more|less|fewer) than\b)|neither|nor|lack(?:s|ed|ing)?|without|devoid of"
    r"|(?:negative|absent) for"
    r"|free of|(?:absence|loss|lack) of|fail(?:s|ed|ing)? to"
    r"|(?:do|does|did|could|can|would)(?: not|n't)|cannot|(?:hardly|barely|scarcely) (?:any"
    r"|express\w*)|not|never|(?:in contrast to|as opposed to)(?!\s+\S+\s*\(\d)|rather than"
    r"|instead of|except(?: for)?|excluding|unlike(?= (?-i:[A-Z]+\d))|none of\s+(?:the\s+"
    r"|these\s+)?(?:\w+\s+){0,2}?cells|not a single cell"
    r"|none (?:of them )?(?:express\w*|ha(?:s|ve|d)|show\w*|contain\w*|carr\w+|are|is|was|were)"
    r"|none to speak of|zero|below detection)\b",
    re.IGNORECASE,
)
BEHIND: Final = re.compile(
    r"\b(?:is|are|was|were|be|been|being)(?: (?:clearly|largely|both|all|each"
    r"|also|almost|\w+ly))?(?: not| never|n't)\b"
    r"|\b(?:is|are|was|were)(?: \w+ly)? lacking\b"
    r"|\b(?:isn't|aren't|wasn't|weren't)|(?:is|are|was|were)n't\b"
    r"|\bnot (?:\w+ly )?(?:detected|expressed|seen|found|observed|present|detectable"
    r"|picked|captured|recovered)\b"
    r"|\b(?:absent|undetected|unseen|undetectable|missing|lost|off|silent|negative|nil|negligible"
    r"|unexpressed|inactive)\b(?! (?:for|of)\b)"
    r"|\b(?:hardly|barely|scarcely|never) (?:ever )?(?:detected|expressed|seen|found|observed|detectable)\b"
    r"|\bwhich (?:none|no cells?)\b|:\s*(?:no|none|nil)\b|\b(?:is|are|was|were) (?:zero|nil)\b"
    r"|\b(?:none|nowhere|no cells?)\b(?![^.;]*\b(?:lack|negative)\b)(?=[^A-Z]*$)",
    re.IGNORECASE,
)
TOLD: Final = re.compile(
    r"\b(?:co-?express\w*|express\w*|detect\w*|positiv\w*|present|presence|seen"
    r"|see|found|observed?|carr(?:y|ies|ied|ying)|contain\w*|show\w*|ha(?:ve|s|d)"
    r"|mark(?:s|ed|er|ers)?|transcripts?|mrna|high(?:ly)?|strong(?:ly)?|on|off"
    r"|enriched|abundant|produc\w*|characteri[sz]ed|defined|hallmark|evidence"
    r"|signal|signature|consists?|compris\w+|includ\w+|features?|display\w*|stain\w*|retain\w*|dominat\w*|evident|captured|measured"
    r"|visible|reads?|occur\w*|exhibit\w*|upregulat\w*|with|turned|robust\w*"
    r"|use[sd]?|using|segments?|chains?|gene|usage|recovered|there (?:is|was|are"
    r"|were)|account\w*|reached|level)\b",
    re.IGNORECASE,
)
SUPPOSED: Final = re.compile(
    r"\b(?:may|might|whether|if|would|hypothes\w+|perhaps|possibly|unclear|equivocal|ambiguous|borderline|uncertain"
    r"|undetermined|inconclusive|not (?:measured|assessed|tested"
    r"|clear|interpretable)|hard to|difficult to|cannot be (?:told|judged|determined"
    r"|assessed|excluded)|(?:low|weak|dim) (?:or|to) absent"
    r"|typical(?:ly)?|known (?:to|as|for)|previously|reported|literature|elsewhere in the body|should)\b",
    re.IGNORECASE,
)
OTHER_MATTERS: Final = re.compile(
    r"\b(?:antibod\w+|primers?|biolegend|gated on|sorted|knock\w*|stimulated|treated"
    r"|anti-\w+|staining panel|protocol|vaccin\w*)\b",
    re.IGNORECASE,
)
BESIDE: Final = re.compile(
    r"elsewhere|(?<!as )expected|(?<!as in )other|\brest\b|remaining|background|outside"
)
OVERALL_BEFORE: Final = re.compile(r"\boverall (?:rate|frequency|average|mean|proportion|level)[^\d]{0,12}$")
OVERALL_BEHIND: Final = re.compile(
    r"\W*(?:overall\b|(?:in|across|over) (?:the )?(?:whole|entire|full|total|all)\b)"
)
COMPARED: Final = re.compile(
    r"\b(?:(?P<more>more|higher|increased|elevated|up-?regulated|upregulates?"
    r"|enriched|greater|over-?express\w*)"
    r"|(?P<less>less|fewer|lower|reduced|decreased|down-?regulated|downregulates?|depleted|diminished))\b",
    re.IGNORECASE,
)
LITTLE: Final = re.compile(
    r"\b(?:little|low|weak|dim|modest|minimal|faint|reduced)(?: levels? of| expression of)?\s+\W*$",
    re.IGNORECASE,
)
TOP: Final = re.compile(
    r"\b(?:top|dominant|leading|predominant|main|most (?:frequent|common|used|abundant|often))\b",
    re.IGNORECASE,
)
PRESENT_AT: Final = re.compile(
    r"\b(?:is|are|was|were)(?: (?!sparse|rare|weak|poor|bare|scarce|minimal|hard|infreq|low)\w+ly)?"
    r" (?:present|expressed|positive|detected)\s*[:,(]",
    re.IGNORECASE,
)
THEY_SHOW: Final = re.compile(
    r"\b(?:they|them|cells|monocytes|lymphocytes|population|cluster|group)\b[^.;]{0,24}?"
    r"\b(?:(?:co-?)?express(?:es)?|show|carry|transcribe|positive for|marked by|stand out by|have)\b",
    re.IGNORECASE,
)
FEW: Final = re.compile(
    r"\b(?:few|only|some|rare\w*|little|low|weak\w*|minority|fraction|subset|hardly)\b|%$|%\s", re.IGNORECASE
)
MARKERS_ARE: Final = re.compile(
    r"\b(?:their|its|top|main|best|leading|canonical|defining|characteristic) (?:(?!negative)\w+ ){0,2}"
    r"markers?(?: genes?)?\s*(?:are|is|were|was|include\w*|compris\w+|:)"
    r"|\bwhat marks (?:them|it|the \w+)|\b(?:stands? out|distinguished) by\b"
    r"|\bmarkers?(?: genes?)? of (?:the|this|these) \w+(?: cells)? (?:are|were|include)",
    re.IGNORECASE,
)
BY_DEGREE: Final = re.compile(
    r"\b(?:highly|strongly|widely|very|common|frequent|prevalent|abundant|ubiquitous|dominant)\b",
    re.IGNORECASE,
)
IS_NOT: Final = re.compile(r"\W*(?:and\W+)?\S+ (?:is|are|was|were) not\W*")
DIGIT: Final = re.compile(r"\d")
LOSS: Final = re.compile(r"\b(?:absence|loss|lack) of\b", re.IGNORECASE)
