"""What a bundle of the task "receptors" says beyond the common entries.

Invariant: details in hand name a vocabulary file of the bundle and at least one locus.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic.dataclasses import dataclass

from tcellflow.io.bundles.fields import LOOSE, Size, Text, check_is_listed
from tcellflow.vocabulary import EmbeddingKind, Locus, ReceptorBackend

TASK_RECEPTORS: Final = "receptors"
# Shorter than the shortest junction that is embedded, a model could read none of them whole.
_LEAST_MAX_LENGTH: Final = 6


def _check_backend(backend: object) -> object:
    learned = [kind for kind in ReceptorBackend if kind.is_learned]
    if isinstance(backend, str) and backend not in learned:
        message = f"the backend {str(backend)!r} is not one of {', '.join(learned)}"
        raise ValueError(message)
    return backend


def _check_vocabulary(name: str, info: ValidationInfo) -> str:
    return check_is_listed(name, info, "vocabulary")


def _check_loci(loci: object) -> object:
    known = tuple(Locus)  # a set would ask for the hash of whatever the document holds
    if isinstance(loci, list) and not (loci and all(locus in known for locus in loci)):
        message = f"the loci {loci!r} are not AIRR loci"
        raise ValueError(message)
    return loci


@dataclass(frozen=True, config=LOOSE)
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
    cluster_distances
        Greatest cosine distance of a step within a cluster, by kind of vector; None where nobody measured it.
    """

    backend: Annotated[ReceptorBackend, BeforeValidator(_check_backend)]
    vocabulary: Annotated[Text, AfterValidator(_check_vocabulary)]
    dimension: Size
    pooling: Text
    max_length: Annotated[int, Field(strict=True, ge=_LEAST_MAX_LENGTH)]
    loci: Annotated[frozenset[Locus], BeforeValidator(_check_loci)]
    cluster_distances: dict[EmbeddingKind, Annotated[float, Field(ge=0, le=2)]] | None = None
