"""Text to statements: an independent parser that knows how people write about cells, not how we do.

Invariant: nothing that is read is ever run or rendered; a number that belongs to no statement is reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_panel
from tcellflow.language.statements import Statement
from tcellflow.language.wording.amounts import count_decimals, find_amounts, read_number
from tcellflow.language.wording.clauses import read_clauses
from tcellflow.language.wording.division import drop_others
from tcellflow.language.wording.types import choose_type

if TYPE_CHECKING:
    from tcellflow.language.statements import Kind, Vocabulary

_LONGEST: Final = 4_000  # letters of a sentence
_NUMBER: Final = r"(?<![\w.-])(\d[\d,]*(?:\.\d+)?)"
_PERCENT: Final = _NUMBER + r"\s?(?:%|percent|per cent)"
_NEGATIVE: Final = re.compile(
    r"\b(not|no|nor|neither|never|cannot|absent|absence|lack|lacks|lacking|without"
    r"|negative|undetected|undetectable|"
    r"missing|lost|loss|devoid|fails?|hardly|silent|off)\b|n't\b"
)
_ABBREVIATED: Final = (
    r"(?<!\bi\.e)(?<!\be\.g)(?<!\b[Ff]ig)(?<!\bvs)(?<!\bca)(?<!\bcf)(?<!\bapprox)(?<!\bal)(?<!\bno)"
)
_SEQUENCE: Final = re.compile(r"(?<![\w-])[ACDEFGHIKLMNPQRSTVWY*_]{7,40}(?![\w-])")
_CHAIN: Final = re.compile(
    r"\b(alpha|beta|TRA|TRB|CDR3[ab\u03b1\u03b2]|CDR3(?:alpha|beta)|[\u03b1\u03b2])(?![A-Z0-9])",
    re.IGNORECASE,
)
_SMALL: Final = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS: Final = "twenty thirty forty fifty sixty seventy eighty ninety"
_DIGITS: Final = {word: i for i, word in enumerate(_SMALL.split(), 1)} | {
    word: 10 * i for i, word in enumerate(_TENS.split(), 2)
}
_SPELLED: Final = re.compile(
    rf"(?<!\bin )(?<!\bof )(?<!every )\b({'|'.join(_DIGITS)})"
    r"(?:[- ](one|two|three|four|five|six|seven|eight|nine))?(?=\s+(?:\w+ )?(?:cells?|donors?)\b"
    r"|\s+of (?:(?:the|these|all) )?\d)"
    r"|\b(?:a )?(single)(?= donor)",
    re.IGNORECASE,
)
_COUNTED: Final = (
    r"(?<!\d )(?:holds?|has|have|with|contains?|comprises?|total of|all|(?<!out )of|are|is|n\s*=|\(n?\s*=?)"
    r"\s*(?:the\s)?(?:only\s|just\s|some\s)?"
)
_UNITS: Final = (
    (_COUNTED + _NUMBER + r"\s+(?:t )?cells?\b", "cells"),
    (r"(?:^\W*|,\s+)(?:the|these|its|all)?\s*" + _NUMBER + r"\s+(?:t )?cells?\b(?!\s+(?:of|in)\b)", "cells"),
    (
        _PERCENT
        + r"\s+of (?:(?:the|this|all|our) (?:whole )?"
        r"(?:sample|data\s?set|cells of the sample|cells sequenced)"
        r"|(?:all )?PBMCs?\b)",
        "share",
    ),
    (r"\bn\s*=\s*" + _NUMBER + r"(?!\s*(?:%|donors?|genes))", "cells"),
    (r"(?:\s{3,}cells?\s*[,;]?|\(\s{4,}[;,])\s*\(?" + _PERCENT + r"\s*\)", "share"),
    (
        r"^(?:(?!express|positive)[^0-9+%])*?cells?\s*\(\s*"
        + _PERCENT
        + r"\s+of (?:all|total|the) (?:\w+ )?\w+\s*\)",
        "share",
    ),
    (
        r"(?:cluster|population|group|they|these|it|cells)\b(?-i:[^;A-Z%]{0,60}?)(?:correspond\w* to|"
        r"represent\w*|account\w* for|compris\w*|constitut\w*|ma[dk]\w+ up|amount\w* to|equal\w*(?: to)?"
        r"|i\.e\.,?|or)\s+"
        + _PERCENT
        + r"\s+of (?:all|total|the (?:total|sequenced|recovered|analy[sz]ed))(?: \w+)? cells\b",
        "share",
    ),
    (_NUMBER + r"\s+donors?\b", "donors"),
    (_NUMBER + r"\s+(?:molecules|umis?|transcripts)\b", "molecules"),
    (r"(?<![\w.-])(\d[\d,]{2,}(?:\.\d+)?)\s+genes\b", "genes"),  # "two genes" are no depth
)  # fmt: skip


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Split a text into sentences: start and end of each in code points, half-open, lines apart."""
    spans = []
    for line in re.finditer(r"[^\n\r]+", text):
        start = line.start()
        for end in [*re.finditer(_ABBREVIATED + r"[.!?](?=\s+[A-Z0-9(\"'*_]|\s*$)", line.group()), None]:
            stop = line.end() if end is None else line.start() + end.end()
            part = text[start:stop]
            if part.strip():
                lead = len(part) - len(part.lstrip())
                spans.append((start + lead, start + len(part.rstrip())))
            start = stop
    return spans


def read_sentence(text: str, names: Vocabulary) -> list[Statement]:
    """Read what one sentence says; nothing of one that is longer than any that people write."""
    if len(text) > _LONGEST:
        return []
    reader = _Reader(text, names)
    return reader.read()


class _Reader:
    def __init__(self, text: str, names: Vocabulary) -> None:
        self.text = re.sub(
            r"^\s*>+|[*_`#|]+", lambda m: "_" if m.group() == "_" else " " * len(m.group()), text
        )
        self.text = drop_others(_SPELLED.sub(_write_in_digits, self.text))
        self.names = names
        self.found: list[Statement] = []

    def take(self, pattern: str) -> re.Match[str] | None:
        """Find a pattern and blank it out, so that nothing else reads it."""
        hit = re.search(pattern, self.text, re.IGNORECASE)
        if hit is not None:
            self.text = self.text[: hit.start()] + " " * (hit.end() - hit.start()) + self.text[hit.end() :]
        return hit

    def read(self) -> list[Statement]:
        self._read_named()
        self._read_types()
        for pattern, kind in _UNITS:
            while (hit := self.take(pattern)) is not None:
                self.found.append(_numbered(kind, kind, hit.group(1)))  # type: ignore[arg-type]
                if (
                    kind == "cells" and "cell" in hit.group().lower()
                ):  # "each of the 32 cells" stays each of them
                    kept = hit.group().replace(hit.group(1), " " * len(hit.group(1)))
                    self.text = self.text[: hit.start()] + kept + self.text[hit.end() :]
        self._read_share()
        return self.found + read_clauses(self.text, self.names)

    def _read_share(self) -> None:
        """Read a share of the sample in words: "roughly a tenth of the sample"."""
        whole = re.search(r"\s+of (?:the|this|our) (?:whole |entire )?(?:sample|data\s?set)\b", self.text)
        amounts = [] if whole is None else [a for a in find_amounts(self.text) if a.end == whole.start()]
        for amount in amounts:
            self._blank(amount.start, amount.end)
            self.found.append(
                Statement("share", "share", low=amount.low, high=amount.high, slack=amount.slack)
            )

    def _read_named(self) -> None:
        for kind, names in (
            ("programme", self.names.programmes), ("state", self.names.states),
            ("lineage", self.names.lineages), ("protein", self.names.proteins),
        ):  # fmt: skip
            for name in sorted(names, key=len, reverse=True):
                spoken = re.escape(name).replace("_", r"[_ -]")
                lead = (
                    rf"\b{kind}s?\s+{spoken}(?![\w])"
                    if kind != "programme"
                    else rf"\b{spoken}\s+programm?e?\b|\bprogramm?e?\s+{spoken}(?!\w)"
                )
                if kind == "lineage":
                    lead += rf"|(?<![\w-]){spoken}[- ]lineage\b"
                if kind == "state":
                    lead += rf"|(?<![\w-]){spoken}(?=\s*(?:\)|,|\.|$|cells?\b))" if name[0].isupper() else ""
                hit = self.take(lead)
                if hit is not None:
                    self._close_named(kind, name)  # type: ignore[arg-type]
            if kind == "protein" or not names:
                continue
            hit = self.take(rf"\b(?:the )?{kind}\s+(?!is\b|of\b|are\b|markers?\b|genes?\b)([\w+-]+)")
            if hit is not None:
                self.found.append(Statement("unknown_entity", hit.group(1)))
                self.take(_PERCENT)
        self._read_junctions()
        if (
            self.take(r"\bpaired[- ](?:\w+ )?(?:receptors?|tcrs?|chains?)\b|\bpaired alpha[- ]?beta\b")
            is not None
        ):
            self._close_named("paired", "paired")

    def _read_junctions(self) -> None:
        if not re.search(r"junction|CDR3", self.text, re.IGNORECASE):
            return
        chains = [(hit.start(), hit.group(1).lower()) for hit in _CHAIN.finditer(self.text)]
        for hit in list(_SEQUENCE.finditer(self.text)):
            if hit.group() in self.names.known_genes:
                continue
            before = [name for at, name in chains if at < hit.start()] or [name for _, name in chains[:1]]
            if before:
                chain = "alpha" if re.search(r"tra|a$|\u03b1", before[-1].replace("beta", "b")) else "beta"
                self.found.append(Statement("junction", f"{chain} {hit.group()}"))
            self._blank(*hit.span())

    def _blank(self, start: int, end: int) -> None:
        self.text = self.text[:start] + " " * (end - start) + self.text[end:]

    def _close_named(self, kind: Kind, name: str) -> None:
        """Give a named thing the amount of the sentence, and its polarity."""
        is_there = _NEGATIVE.search(self.text.lower()) is None
        if kind == "protein":
            number = self.take(r"median (?:\w+ )*?(?:of )?(-?\d+(?:\.\d+)?)")
            self.found.append(
                Statement(kind, name, is_there) if number is None
                else _numbered(kind, name, number.group(1), is_there=is_there)
            )  # fmt: skip
            return
        amounts = find_amounts(self.text)
        if not amounts:
            self.found.append(Statement(kind, name, is_there))
            return
        amount = amounts[0]
        self._blank(amount.start, amount.end)
        amount = amount if is_there else amount.complement()
        self.found.append(
            Statement(kind, name, is_there, read_number(amount.text) if amount.text else None,
                      count_decimals(amount.text), low=amount.low, high=amount.high, slack=amount.slack)
        )  # fmt: skip

    def _read_types(self) -> None:
        ontology = read_ontology()
        ids = [hit.group() for hit in re.finditer(r"CL:\d{7}", self.text)]
        self.found += [Statement("unknown_entity", cl_id) for cl_id in ids if cl_id not in ontology.terms]
        live = [cl_id for cl_id in ids if cl_id in ontology.terms]
        for cl_id in live:  # its name, whatever it holds, is no list of markers
            self.take(rf"{re.escape(ontology.terms[cl_id].name)}(?=\W*{cl_id})")
        phrase, types, is_there, self.text = choose_type(self.text)
        if not phrase and not ids:
            return
        while self.take(r"\(?CL:\d{7}\)?") is not None:
            pass
        if live:
            of_id = frozenset(k.cl_id for k in read_panel() if live[0] in ontology.above(k.cl_id))
            if phrase and types and of_id and not (types & of_id):
                self.found.append(Statement("unknown_entity", f"{phrase} {live[0]}"))
            types = of_id or types
        number = self.take(r"probabilit\w+ (?:of |is |= ?)?(\d(?:\.\d+)?)")
        if types:
            value = None if number is None else float(number.group(1))
            decimals = 0 if number is None else count_decimals(number.group(1))
            name = live[0] if live else phrase
            self.found.append(Statement("type", name, is_there, value, decimals, types=types))


def _numbered(kind: Kind, name: str, text: str, *, is_there: bool = True) -> Statement:
    return Statement(kind, name, is_there, read_number(text), count_decimals(text))


def _write_in_digits(hit: re.Match[str]) -> str:
    if hit.group(3):
        return "1"
    return str(_DIGITS[hit.group(1).lower()] + (_DIGITS[hit.group(2).lower()] if hit.group(2) else 0))
