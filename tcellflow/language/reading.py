"""Text to statements: an independent parser that knows how people write about cells, not how we do.

Invariant: nothing that is read is ever run or rendered; a number that belongs to no statement is reported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcellflow.language.concepts import understand_types
from tcellflow.language.ontology import read_ontology
from tcellflow.language.panel import read_panel
from tcellflow.language.statements import Statement

if TYPE_CHECKING:
    from tcellflow.language.statements import Kind, Vocabulary

_NUMBER: Final = r"(?<![\w.-])(\d[\d,]*(?:\.\d+)?)"
_PERCENT: Final = _NUMBER + r"\s?(?:%|percent|per cent)"
_NEGATIVE: Final = re.compile(
    r"\b(not|no|nor|neither|never|cannot|absent|absence|lack|lacks|lacking|without|negative|undetected|undetectable|"
    r"missing|lost|loss|devoid|fails?|hardly|silent|off)\b|n't\b|(?<=\w)[-\u2212\u2013](?=[\s,.;)]|$)"
)
_CLAUSES: Final = re.compile(
    r";|\bbut\b|\bwhile\b|\bwhereas\b|\balthough\b|\bhowever\b|\byet\b|\bthough\b"
    r"|, which\b(?=[^.;]*\bshould\b)"  # what ought to be is nothing that was seen
    r"|\band (?=(?:lack|do|does|not|no|without|is|are|express|show|negative|positive|absent)\b)"
    r"|, (?=(?:and )?(?:lack|do|does|not|no|without|express|show|is|are|negative|positive|absent)\w*\b)"
)
_TOKEN: Final = re.compile(r"(?<![\w-])[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*(?:[+\u2212-](?![\w]))?")
_BESIDE: Final = re.compile(r"elsewhere|expected|other|rest\b|remaining|background|outside")
_DIGIT: Final = re.compile(r"\d")
_LOOKS_LIKE_GENE: Final = re.compile(r"(?=.*\d)[A-Z][A-Z0-9-]{2,11}$")
_NOT_GENES: Final = frozenset({  # words of texts that are also symbols, or look like them
    "CELL", "CELLS", "DNA", "RNA", "TCR", "BCR", "MHC", "REST", "SET", "WAS", "CLR", "CL",
    "UMI", "QC", "NK", "MAIT", "HLA", "AND", "FOR", "NOT", "THE", "ALL", "CD", "IMPACT",
    "MAX", "CAT", "GO", "PC", "DC", "MICE", "CAN", "ACE", "LARGE",
})  # fmt: skip
_TYPE_PHRASE: Final = (
    r"(?<![\w-])((?:(?:naive|na\u00efve|memory|effector|central|cytotoxic|regulatory|helper|exhausted|resident"
    r"|activated|classical|non-classical|plasmacytoid|conventional|follicular|natural|killer|CD\d+\w?\+?"
    r"|CD\d+-positive|alpha-beta|gamma-delta|thymus-derived|positive|plasma|mature|dendritic),?\s+)*"
    r"(?:[TB]|NK|MAIT|plasma|dendritic)[ -](?:cells?|lymphocytes?)|(?:classical |non-classical |CD1[46]\+? )?"
    r"monocytes?|platelets?|thymocytes?|tregs?|mononuclear (?:cells?|leukocytes?)|leukocytes?|lymphocytes?)"
    r"(?!\w)"
)
_COUNTED: Final = r"(?:holds?|has|have|with|contains?|comprises?|of|are|is|n\s*=)\s*(?:about\s)?"
_UNITS: Final = (
    (_COUNTED + _NUMBER + r"\s+(?:t )?cells?\b", "cells"),
    (r"^\W*(?:the|these|its)?\s*" + _NUMBER + r"\s+(?:t )?cells?\b", "cells"),
    (_PERCENT + r"\s+of (?:the|this|all|our) (?:whole )?(?:sample|cells of the sample)", "share"),
    (_NUMBER + r"\s+donors?\b", "donors"),
    (_NUMBER + r"\s+(?:molecules|umis?|transcripts)\b", "molecules"),
    (_NUMBER + r"\s+genes\b", "genes"),
)  # fmt: skip


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Split a text into sentences: start and end of each in code points, half-open, lines apart."""
    spans = []
    for line in re.finditer(r"[^\n\r]+", text):
        start = line.start()
        for end in [*re.finditer(r"[.!?](?=\s+[A-Z0-9(\"'*_]|\s*$)", line.group()), None]:
            stop = line.end() if end is None else line.start() + end.end()
            part = text[start:stop]
            if part.strip():
                lead = len(part) - len(part.lstrip())
                spans.append((start + lead, start + len(part.rstrip())))
            start = stop
    return spans


def read_sentence(text: str, names: Vocabulary) -> list[Statement]:
    """Read what one sentence says."""
    reader = _Reader(text, names)
    return reader.read()


class _Reader:
    def __init__(self, text: str, names: Vocabulary) -> None:
        self.text = re.sub(r"[*_`#>|]+", lambda m: "_" if m.group() == "_" else " " * len(m.group()), text)
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
        for clause in _split_clauses(self.text):
            self._read_genes(clause)
        return self.found

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
                if kind == "state":
                    lead += rf"|(?<![\w-]){spoken}(?=\s*(?:\)|,|\.|$|cells?\b))" if name[0].isupper() else ""
                hit = self.take(lead)
                if hit is not None:
                    self._close_named(kind, name)
            hit = (
                self.take(rf"\b(?:the )?{kind}\s+(?!is\b|of\b|are\b)([\w+-]+)") if kind != "protein" else None
            )
            if hit is not None and names:
                self.found.append(Statement("unknown_entity", hit.group(1)))
                self.take(_PERCENT)
        hit = self.take(r"\bsegments?\s+(TR[ABGD]V[\w/-]+)")
        if hit is not None:
            self._close_named("v", hit.group(1))
        hit = self.take(r"\b(alpha|beta|TRA|TRB)\b[\w\s]*?\bjunction\b\W*(?:is\s+)?\W*([A-Z*_]{4,40})\b")
        if hit is not None:
            chain = "alpha" if hit.group(1).lower() in {"alpha", "tra"} else "beta"
            self.found.append(Statement("junction", f"{chain} {hit.group(2)}"))
        if self.take(r"\bpaired (?:receptors?|tcrs?|chains)\b") is not None:
            self._close_named("paired", "paired")

    def _close_named(self, kind: str, name: str) -> None:
        """Give a named thing the number of the sentence, and its polarity."""
        number = (
            self.take(r"median (?:\w+ )*?(?:of )?(-?\d+(?:\.\d+)?)")
            if kind == "protein"
            else self.take(_PERCENT)
        )
        is_there = _NEGATIVE.search(self.text.lower()) is None
        if number is None:
            self.found.append(Statement(kind, name, is_there))  # type: ignore[arg-type]
        else:
            self.found.append(_numbered(kind, name, number.group(1), is_there=is_there))  # type: ignore[arg-type]

    def _read_types(self) -> None:
        ontology = read_ontology()
        ids = [hit.group() for hit in re.finditer(r"CL:\d{7}", self.text)]
        for cl_id in ids:
            if cl_id not in ontology.terms:
                self.found.append(Statement("unknown_entity", cl_id))
        phrase, types = self._find_type_phrase()
        if not phrase and not ids:
            return
        while self.take(r"\(?CL:\d{7}\)?") is not None:
            pass
        live = [cl_id for cl_id in ids if cl_id in ontology.terms]
        if live:
            of_id = frozenset(k.cl_id for k in read_panel() if live[0] in ontology.above(k.cl_id))
            if phrase and types and of_id and not (types & of_id):
                self.found.append(Statement("unknown_entity", f"{phrase} {live[0]}"))
            types = of_id or types
        number = self.take(r"probabilit\w+ (?:of |is |= ?)?(\d(?:\.\d+)?)")
        is_there = _NEGATIVE.search(self.text.lower()) is None
        if types:
            value = None if number is None else float(number.group(1))
            decimals = 0 if number is None else _decimals(number.group(1))
            self.found.append(
                Statement("type", live[0] if live else phrase, is_there, value, decimals, types=types)
            )

    def _find_type_phrase(self) -> tuple[str, frozenset[str]]:
        labels = [kind.label for kind in read_panel()]
        for label in sorted(labels, key=len, reverse=True):
            hit = self.take(rf"(?<![\w-]){re.escape(label)}s?(?!\w)")
            if hit is not None:
                return label, frozenset(k.cl_id for k in read_panel() if k.label == label)
        hit = self.take(_TYPE_PHRASE)
        if hit is None:
            return "", frozenset()
        term = read_ontology().find(hit.group(1))
        if term is not None:
            below = frozenset(k.cl_id for k in read_panel() if term in read_ontology().above(k.cl_id))
            if below:
                return hit.group(1), below
        return hit.group(1), understand_types(hit.group(1)).types or frozenset()

    def _read_genes(self, clause: str) -> None:
        is_negative = _NEGATIVE.search(clause.lower()) is not None
        genes: list[tuple[str, int, bool]] = []
        for hit in _TOKEN.finditer(clause):
            word = hit.group()
            mark = word[-1] if word[-1] in "+-\u2212" else ""
            name = word.rstrip("+-\u2212")
            symbol = name.upper()
            if symbol in _NOT_GENES or len(symbol) < 3 or (name != symbol and not re.search(r"\d", name)):
                continue
            if symbol in self.names.genes or symbol in self.names.known_genes:
                genes.append((symbol, hit.start(), mark in {"-", "\u2212"}))
            elif _LOOKS_LIKE_GENE.match(name):
                self.found.append(Statement("unknown_entity", name))
        percents = [
            (hit.group(1), hit.start(), _is_beside(clause, hit))
            for hit in re.finditer(_PERCENT, clause, re.IGNORECASE)
        ]
        is_before = _stand_before(genes, percents)
        for i, (gene, start, has_minus) in enumerate(genes):
            end = genes[i + 1][1] if i + 1 < len(genes) else len(clause) + 1
            own = [p for p in percents if start < p[1] < end]
            if is_before:
                own = [p for p in percents if (p[1] < start and not p[2]) or (p in own and p[2])]
            percents = [p for p in percents if p not in own]
            is_there = not (is_negative or has_minus)
            said = [p for p in own if not p[2]]
            self.found.append(Statement("gene", gene, is_there))
            for text, _, is_beside in [*said[:1], *(p for p in own if p[2])]:
                self.found.append(
                    Statement(
                        "gene",
                        gene,
                        is_there,
                        _value(text),
                        _decimals(text),
                        "beside" if is_beside else "pct",
                    )
                )
            percents += said[1:]
        self.found += [Statement("loose_number", text, value=_value(text)) for text, _, _ in percents]


def _is_beside(clause: str, number: re.Match[str]) -> bool:
    """Say whether a percent is one beside that of the group: of others, or an expected one."""
    behind = _DIGIT.split(clause[number.end() : number.end() + 24], maxsplit=1)[0]
    before = clause[: number.start()]
    return bool(_BESIDE.search(behind) or re.search(r"where\s*$|expected[^\d)]{0,12}$", before))


def _stand_before(genes: list[tuple[str, int, bool]], percents: list[tuple[str, int, bool]]) -> bool:
    """Say whether each gene's own percent stands before it: "80 % show A, 20 % show B"."""
    own = [place for _, place, is_beside in percents if not is_beside]
    return bool(genes and own) and own[0] < genes[0][1] and own[-1] < genes[-1][1]


def _split_clauses(text: str) -> list[str]:
    clauses, start = [], 0
    bracketed = [hit.span() for hit in re.finditer(r"\([^()]*\)", text)]
    for hit in _CLAUSES.finditer(text):
        if any(first < hit.start() < last for first, last in bracketed):
            continue
        clauses.append(text[start : hit.start()])
        start = hit.start() + (len(hit.group()) if hit.group() in {";", ":"} else 0)
    return [*clauses, text[start:]]


def _numbered(kind: Kind, name: str, text: str, *, is_there: bool = True) -> Statement:
    return Statement(kind, name, is_there, _value(text), _decimals(text))


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])
