"""What a bundle of the task "receptors" says beyond the common entries.

Invariant: details in hand name a vocabulary file of the bundle and at least one locus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.vocabulary import Locus, ReceptorBackend

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcellflow.io.bundles.fields import FieldReader

TASK_RECEPTORS: Final = "receptors"
# Shorter than the shortest junction that is embedded, a model could read none of them whole.
_LEAST_MAX_LENGTH: Final = 6


@dataclass(frozen=True)
class ReceptorsDetails:
    """What ``bundle.json`` says of a receptors bundle.

    Parameters
    ----------
    backend
        The tokeniser and the inputs it was made for, as given to ``--backend``.
    vocabulary
        File of the bundle that lists its tokens.
    dimension
        Width D of the vectors.
    pooling
        How residues become one vector.
    max_length
        Longest junction in residues; longer ones are cut in the middle.
    loci
        Loci it may embed.
    """

    backend: ReceptorBackend
    vocabulary: str
    dimension: int
    pooling: str
    max_length: int
    loci: frozenset[Locus]


def parse_receptors(reader: FieldReader, files: Mapping[str, str]) -> ReceptorsDetails:
    """Parse the entries of a receptors bundle.

    Parameters
    ----------
    reader
        Over ``bundle.json``; collects the faults.
    files
        Files that the bundle lists.

    Returns
    -------
    ReceptorsDetails
        The entries; defaults stand where there is a fault.
    """
    backend = reader.take("backend", str, "")
    learned = [kind for kind in ReceptorBackend if kind.is_learned]
    reader.check(backend in learned, f"the backend {backend!r} is not one of {', '.join(learned)}")
    vocabulary = reader.take("vocabulary", str, "")
    reader.check(vocabulary in files, "the vocabulary file is not listed under 'files'")
    dimension, max_length = reader.take("dimension", int, 0), reader.take("max_length", int, 0)
    reader.check(dimension > 0, "'dimension' is not above 0")
    reader.check(max_length >= _LEAST_MAX_LENGTH, f"'max_length' is below {_LEAST_MAX_LENGTH} residues")
    return ReceptorsDetails(
        backend=ReceptorBackend(backend) if backend in learned else ReceptorBackend.NATIVE,
        vocabulary=vocabulary,
        dimension=dimension,
        pooling=reader.take("pooling", str, ""),
        max_length=max_length,
        loci=_parse_loci(reader),
    )


def _parse_loci(reader: FieldReader) -> frozenset[Locus]:
    named = reader.take("loci", list, [])
    known = tuple(Locus)  # a set would ask for the hash of whatever the document holds
    reader.check(
        bool(named) and all(locus in known for locus in named), f"'loci' {named!r} are not AIRR loci"
    )
    return frozenset(Locus(locus) for locus in named if locus in known)
