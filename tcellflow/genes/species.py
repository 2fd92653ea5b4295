"""Whether a list of genes is human: genome prefixes, ids and the spelling of names.

Invariant: only clear signs count (a tenth of all genes and at least three), so that a few spiked-in
or oddly spelt genes of a human panel raise no alarm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError
from tcellflow.genes.reference import read_gene_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

# Cell Ranger joins genome and gene by "_" (older versions by "___"); GEO tables write HUMAN_ and MOUSE_.
_HUMAN_PREFIX: Final = re.compile(r"(?<!_)_*(?:GRCh3[78]|hg19|hg38|human)[_-]+(?=.)", re.IGNORECASE)
PREFIX_LETTERS: Final = frozenset("_gGhH")  # first letters, to keep the expression off most genes
_MOUSE_PREFIX: Final = re.compile(r"(?<!_)_*(?:GRCm3[89]|mm9|mm10|mm39|mouse)[_-]+(?=.)", re.IGNORECASE)
_FOREIGN_ID: Final = re.compile(r"ENS(?P<species>[A-Z]{3,4})G\d{11}(?:\.\d+)?")
_MIN_SHARE: Final = 0.1
_MIN_GENES: Final = 3
_N_EXAMPLES: Final = 3


@dataclass
class _Signs:
    """Genes of one kind: how many, and the first few."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        self.count += 1
        if len(self.examples) < _N_EXAMPLES:
            self.examples.append(example)

    def __str__(self) -> str:
        return ", ".join(self.examples)


def strip_genome_prefix(name: str) -> str:
    """Take the prefix of a species' genome off a gene name or id: ``GRCh38_CD3E``, ``HUMAN_CD3E``.

    No gene symbol starts like this, so a prefix is dropped wherever it stands.
    """
    return _HUMAN_PREFIX.sub("", name, count=1) if name[:1] in PREFIX_LETTERS else name


def check_human(ids: Sequence[str], names: Sequence[str], *, where: object) -> None:
    """Refuse genes of another species, or of two species in one matrix.

    Parameters
    ----------
    ids
        Ids as the file gives them; empty strings where there are none.
    names
        Names as the file gives them.
    where
        Named in errors as the place.

    Raises
    ------
    InputError
        If at least a tenth of the genes (and at least three) are not human.
    """
    human, mouse, other = _collect_signs(ids, names)
    threshold = max(_MIN_GENES, _MIN_SHARE * len(names))
    if max(mouse.count, other.count) < threshold:
        return
    foreign, word = (mouse, "mouse") if mouse.count >= threshold else (other, "non-human")
    if human.count >= threshold:
        raise InputError(
            f"the matrix mixes two species: {human.count} human genes (e.g. {human}) "
            f"and {foreign.count} {word} genes (e.g. {foreign})",
            where=where,
            mend="keep the human cells and the human genes only, and give that matrix",
        )
    raise InputError(
        f"these look like {word} genes: {foreign.count} of {len(names)} (e.g. {foreign})",
        where=where,
        mend="give a human sample; tcellflow knows human genes only and maps no orthologues",
    )


def _collect_signs(ids: Sequence[str], names: Sequence[str]) -> tuple[_Signs, _Signs, _Signs]:
    approved = read_gene_reference().approved
    human, mouse, other = _Signs(), _Signs(), _Signs()
    for gene_id, name in zip(ids, names, strict=True):
        foreign = _find_foreign_id(gene_id, name)
        if foreign is not None:
            (mouse if foreign["species"] == "MUS" else other).add(name or gene_id)
        elif name in approved or gene_id.startswith("ENSG") or name.startswith("ENSG"):
            human.add(name or gene_id)
        elif _MOUSE_PREFIX.match(name) or (_is_mouse_spelling(name) and name.upper() in approved):
            mouse.add(name)
        elif _HUMAN_PREFIX.match(name):
            human.add(name)
    return human, mouse, other


def _find_foreign_id(gene_id: str, name: str) -> re.Match[str] | None:
    for text in (gene_id, name):
        if text.startswith("ENS") and not text.startswith("ENSG"):
            match = _FOREIGN_ID.fullmatch(text)
            if match is not None:
                return match
    return None


def _is_mouse_spelling(name: str) -> bool:
    # Cd3e, Actb; mitochondrial genes are all lower case up to the hyphen: mt-Nd1
    return (name == name.capitalize() and not name.isupper()) or name.startswith("mt-")
