"""Markers in a text: genes by symbol, alias or the name of their protein, and segments of receptors.

Invariant: a name that may mean several genes keeps all of them; a word that only looks like a gene is
reported as unknown, and never taken for one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from tcellflow.genes.reference import read_gene_reference
from tcellflow.language.statements import Statement
from tcellflow.language.wording.amounts import count_decimals, read_number

if TYPE_CHECKING:
    from tcellflow.language.statements import Field, Vocabulary
    from tcellflow.language.wording.amounts import Amount

_TOKEN: Final = re.compile(r"(?<![\w-])[A-Za-z][A-Za-z0-9]*(?:[-./][A-Za-z0-9\u03b1-\u03b4]+)*")
_MARK: Final = re.compile(
    r"\s?(?:\((?P<b>[+\u2212-])\)|(?P<m>\++|\u2212|[\u2013-](?!\w)|[\u207a\u207b])"
    r"|(?P<w>[- ](?:negative|positive|neg|pos|expressing|deficient)\b(?! for)"
    r"|(?:hi|high|low|lo|dim|neg|pos|bright)\b"
    r"|-(?:high|hi|low|lo|dim|bright)\b))"
)
_SUFFIX: Final = re.compile(
    r"(.+?)-?(negative|positive|neg|pos|high|hi|low|lo|dim|bright|expressing|deficient)$", re.IGNORECASE
)
_LOOKS_LIKE_GENE: Final = re.compile(r"(?=.*\d)(?=[A-Z]{2})[A-Z][A-Z0-9-]{3,11}$")
_NOT_GENES: Final = frozenset({  # words of texts that are also symbols, or look like them
    "CELL", "CELLS", "DNA", "RNA", "TCR", "BCR", "MHC", "REST", "SET", "WAS", "CLR", "CL", "UMI", "QC",
    "NK", "MAIT", "HLA", "AND", "FOR", "NOT", "THE", "ALL", "CD", "IMPACT", "MAX", "CAT", "GO", "PC",
    "DC", "MICE", "CAN", "ACE", "LARGE", "MRNA", "PBMC", "ADT", "CDR3", "COVID19", "COVID-19",
    "SARS-COV-2", "TRA", "TRB", "FIG", "TH1", "TH2", "TH17", "G2M", "PBMC3K", "CITE", "UMAP1", "UMAP2",
    "TIL", "TILS", "TEMRA", "CTL", "FACS", "COPE", "PIGS", "ARCH", "HOOK", "NEG", "POS", "T1D", "HIV-1",
    "HIV1", "V3", "TSNE", "IMAGE", "CLUSTER", "MARCH", "GATE", "SHE", "FAST", "LOW", "HIGH", "MEDIAN",
    "IS", "IF", "OUT", "OF",
})  # fmt: skip
_PROTEINS: Final = {
    "CD3": "CD3D|CD3E|CD3G", "CD8": "CD8A|CD8B", "CD79": "CD79A|CD79B", "PD1": "PDCD1", "PDL1": "CD274",
    "TIM3": "HAVCR2", "LAG3": "LAG3", "CTLA4": "CTLA4", "CD11A": "ITGAL", "CD11B": "ITGAM", "CD11C":
    "ITGAX", "CD16": "FCGR3A|FCGR3B", "CD20": "MS4A1", "CD21": "CR2", "CD23": "FCER2", "CD25": "IL2RA",
    "CD31": "PECAM1", "CD32": "FCGR2A|FCGR2B", "CD39": "ENTPD1", "CD45": "PTPRC", "CD49D": "ITGA4",
    "CD56": "NCAM1", "CD57": "B3GAT1", "CD61": "ITGB3", "CD62L": "SELL", "CD64": "FCGR1A", "CD66B":
    "CEACAM8", "CD71": "TFRC", "CD73": "NT5E", "CD94": "KLRD1", "CD95": "FAS", "CD103": "ITGAE",
    "CD107A": "LAMP1", "CD117": "KIT", "CD122": "IL2RB", "CD123": "IL3RA", "CD127": "IL7R", "CD137":
    "TNFRSF9", "41BB": "TNFRSF9", "CD138": "SDC1", "CD134": "TNFRSF4", "OX40": "TNFRSF4", "GITR":
    "TNFRSF18", "CD141": "THBD", "CD161": "KLRB1", "CD183": "CXCR3", "CD185": "CXCR5", "CD186": "CXCR6",
    "CD194": "CCR4", "CD195": "CCR5", "CD196": "CCR6", "CD197": "CCR7", "CD206": "MRC1", "CD223":
    "LAG3", "CD244": "CD244", "CD279": "PDCD1", "CD335": "NCR1", "NKP46": "NCR1", "NKG2A": "KLRC1",
    "NKG2D": "KLRK1", "CD314": "KLRK1", "CD366": "HAVCR2", "TBET": "TBX21", "RORGT": "RORC", "TCF1":
    "TCF7", "BLIMP1": "PRDM1", "KI67": "MKI67", "HELIOS": "IKZF2", "HLADR": "HLA-DRA", "IL7R": "IL7R",
    "IL2R": "IL2RA", "GRANZYMEB": "GZMB", "GRANZYMEK": "GZMK", "GRANZYMEA": "GZMA", "GRANZYMEH": "GZMH",
    "PERFORIN": "PRF1", "GRANULYSIN": "GNLY", "FOXP3": "FOXP3", "IGM": "IGHM", "IGD": "IGHD", "IFNG":
    "IFNG", "IFN\u0393": "IFNG", "TNFA": "TNF", "TNF\u0391": "TNF", "CALPROTECTIN": "S100A8|S100A9",
    "LYSOZYME": "LYZ", "EOMES": "EOMES", "HELPER": "", "CD45RA": "CD45RA", "CD45RO": "CD45RO", "CD19":
    "CD19", "GATA3": "GATA3", "TOX": "TOX",
}  # fmt: skip
_AS_ADJECTIVE: Final = re.compile(r"-(?:lineage|like|type|driven|dependent|associated|related)\b")
_SPACED: Final = re.compile(
    r"\b(granzyme)\s+([ABHK])\b|\b(PD|TIM|LAG|CTLA|IL|TCF|KI|HLA|CD)[ \u2010\u2011](?=[A-Z]*\d|DR)",
    re.IGNORECASE,
)


_SEGMENT: Final = re.compile(r"TR[ABGD]V\d", re.IGNORECASE)
_OF_GENES: Final = re.compile(r"\b(?:detected|transcripts?|express\w*|mrna|reads)\b", re.IGNORECASE)
_OF_RECEPTORS: Final = re.compile(
    r"\b(?:us(?:es?|ed|ing|age)|segments?|v genes?|chains?|receptors?|tcrs?|clono\w+|rearrang\w*"
    r"|account\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Marker:
    """One marker in a text.

    Parameters
    ----------
    start, end
        Its place, with its mark.
    subject
        Symbols that it may mean, joined by ``|``; or the segment.
    kind
        A gene, or a V segment.
    mark
        How it is marked: present, absent, low, high, or not at all.
    """

    start: int
    end: int
    subject: str
    kind: Literal["gene", "v"] = "gene"
    mark: Literal["+", "-", "low", "high", ""] = ""


def find_markers(text: str, names: Vocabulary) -> tuple[list[Marker], list[str]]:
    """Find the markers of a text in order, and the words that only look like one."""
    plain = _SPACED.sub(lambda hit: hit.group().replace(" ", "-").replace("\u2011", "-"), text)
    plain = _mark_joined(plain, names)
    found: list[Marker] = []
    unknown: list[str] = []
    is_of_genes = _OF_GENES.search(plain) is not None and _OF_RECEPTORS.search(plain) is None
    for hit in _TOKEN.finditer(plain):
        for start, word in _split_word(hit.start(), hit.group(), names):
            marker = _take_marker(start, word, plain, names, is_of_genes=is_of_genes)
            if isinstance(marker, str):
                unknown.append(marker)
            elif marker is not None and not (found and _is_same(found[-1], marker, plain)):
                found.append(marker)
    return found, unknown


def _mark_joined(text: str, names: Vocabulary) -> str:
    """Write the hyphens of a run of marked genes as minus: ``LYZ+CD3D-MKI67-``."""
    for hit in _TOKEN.finditer(text):
        word, around = hit.group(), text[hit.start() - 1 : hit.start()] + text[hit.end() : hit.end() + 1]
        if "-" not in word or not set(around) & set("+-\u2212") or _name_genes(word, names):
            continue
        if all(_name_genes(part, names) for part in word.split("-")):
            text = text[: hit.start()] + word.replace("-", "\u2212") + text[hit.end() :]
    return text


def _split_word(start: int, word: str, names: Vocabulary) -> list[tuple[int, str]]:
    """Split ``CD8A/CD8B``, ``CD8A/B`` and ``CD14-CD79A``; a segment such as ``TRAV29/DV5`` stays whole."""
    mark = "/" if "/" in word else "-"
    if mark not in word or _SEGMENT.match(word) or _name_genes(word, names):
        return [(start, word)]
    first, *rest = word.split(mark)
    if mark == "-" and not all(_name_genes(part, names) for part in (first, *rest)):
        return [(start, word)]
    at, placed = start, []
    for part in (first, *rest):
        is_tail = mark == "/" and len(part) == 1 and part.isalnum() and len(first) > 2
        placed.append((at, first[:-1] + part if is_tail else part))
        at += len(part) + 1
    return placed


def _take_marker(
    start: int, word: str, text: str, names: Vocabulary, *, is_of_genes: bool
) -> Marker | str | None:
    name, mark, end = word, "", start + len(word)
    is_segment = names.segments and _SEGMENT.match(word) and not (is_of_genes and word.upper() in names.genes)
    subject, kind = (word.upper(), "v") if is_segment else ("", "gene")
    if not subject:
        kind, subject = "gene", _name_genes(word, names)
    if not subject and (hit := _SUFFIX.match(word)) is not None and (own := _name_genes(hit[1], names)):
        name, subject, mark = hit[1], own, hit[2].lower()
    if not subject:
        clean = name.upper() not in _NOT_GENES and not re.match(r"(?:CL|GSE|SRR|PMC)\d|TR[ABGD]", name)
        return name if clean and _LOOKS_LIKE_GENE.match(name) else None
    behind = _MARK.match(text, end) if not mark else None
    if behind is None and _AS_ADJECTIVE.match(text, end):
        return None
    if behind is not None:
        mark = (behind["b"] or behind["m"] or behind["w"]).strip(" -").lower() or "-"
        end = behind.end()
    return Marker(start, end, subject, "v" if kind == "v" else "gene", _sort_mark(mark))


def _sort_mark(mark: str) -> Literal["+", "-", "low", "high", ""]:
    if mark in {"low", "lo", "dim"}:
        return "low"
    if mark.startswith(("neg", "def")) or mark in {"-", "\u2212", "\u2013", "\u207b"}:
        return "-"
    if mark in {"high", "hi", "bright"}:
        return "high"
    return "+" if mark else ""


def _is_same(before: Marker, after: Marker, text: str) -> bool:
    """Say whether a marker is the former one said again, as in ``CD20 (MS4A1)``."""
    between = text[before.end : after.start]
    return before.subject.startswith(after.subject.split("|")[0]) and (
        re.fullmatch(r"[\w\s]{0,14}\(\s*(?:gene |also )?|/|, also ", between) is not None
    )


def _name_genes(word: str, names: Vocabulary) -> str:
    symbol = word.upper()
    has_digit = re.search(r"\d", word) is not None
    protein = _PROTEINS.get(re.sub(r"[-.\u2010]", "", symbol))
    if symbol in _NOT_GENES or len(symbol) < 3:
        return ""
    is_written_as_gene = word == symbol or has_digit or word.lower() in _IN_LOWER
    if is_written_as_gene and (symbol in names.genes or symbol in names.known_genes):
        return symbol
    if protein is not None:
        own = [gene for gene in protein.split("|") if gene in names.genes]
        return "|".join(own) or protein
    if has_digit and word == symbol:
        return _resolve_alias(symbol)
    return ""


@lru_cache(maxsize=4_096)
def _resolve_alias(symbol: str) -> str:
    meanings = read_gene_reference().candidates_of(symbol)
    return meanings[0] if len(meanings) == 1 else ""


_IN_LOWER: Final = frozenset({"perforin", "foxp3", "eomes", "tox"})


def quantify(marker: Marker, amount: Amount, field: Field, *, is_there: bool) -> Statement:
    """Say of a marker what an amount says."""
    exact = amount.text
    return Statement(
        marker.kind, marker.subject, is_there,
        read_number(exact) if exact else None, count_decimals(exact), field,
        low=amount.low, high=amount.high, slack=amount.slack,
    )  # fmt: skip
