"""All that can be chosen when the receptor encoder is trained, with the defaults; free of torch and numpy.

Invariant: every default stands here alone; the command line and the recipes take theirs from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from tcellflow.models.configurations import ReceptorEncoderConfig
from tcellflow.training.options import NOT_STATED, LoopOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

# What --quick asks for, by the names of the command's parameters; docs/receptors.md has its price.
QUICK: Final[Mapping[str, int]] = MappingProxyType({"steps": 300, "batch_size": 256, "validate_every": 100})


@dataclass(frozen=True)
class CorpusOptions:
    """Which tables a corpus is read from, and what is left out.

    Parameters
    ----------
    chains
        Tables of single chains: locus, junction_aa, v_call, j_call; source and has_epitope_label
        where known.
    pairs
        Tables of pairs: the same columns with the endings ``_tra`` and ``_trb``, without locus.
    withheld
        Tables whose junctions must not be learnt, whichever column they stand in.
    excluded_sources
        Values of ``source`` to leave out.
    is_label_free
        Whether chains and pairs flagged by has_epitope_label are left out.
    """

    chains: tuple[Path, ...]
    pairs: tuple[Path, ...] = ()
    withheld: tuple[Path, ...] = ()
    excluded_sources: frozenset[str] = frozenset()
    is_label_free: bool = True


@dataclass(frozen=True)
class MixOptions:
    """What a batch is made of; shares of its receptors that sum to at most 1, the rest being betas.

    Parameters
    ----------
    natural_pairs
        Pairs of one cell.
    random_pairs
        A single alpha and a single beta put together.
    alphas
        Single alpha chains.
    """

    natural_pairs: float = 0.25
    random_pairs: float = 0.25
    alphas: float = 0.15


@dataclass(frozen=True)
class NoiseOptions:
    """How strongly views are noised; each number is a chance.

    Parameters
    ----------
    mask
        A residue is hidden.
    substitute
        A residue is exchanged, likelier for a similar one (BLOSUM62).
    indel
        A junction loses or gains one residue in its central part.
    hide_v, hide_j
        The gene becomes unknown.
    hide_v_identity
        Of the V gene only the loops are seen.
    drop_chain
        One chain of a pair is left out of a view.
    """

    mask: float = 0.15
    substitute: float = 0.2
    indel: float = 0.15
    hide_v: float = 0.05
    hide_j: float = 0.15
    hide_v_identity: float = 0.1
    drop_chain: float = 0.25


@dataclass(frozen=True)
class TeacherOptions:
    """How distances become what the encoder should say.

    Parameters
    ----------
    softness
        Distance over which a neighbour's weight falls by e.
    temperature
        Divides the encoder's cosines.
    """

    softness: float = 8.0
    temperature: float = 0.1


@dataclass(frozen=True)
class ReceptorTaskOptions:
    """What the encoder is and what it is trained for.

    Parameters
    ----------
    network
        Shape of the encoder.
    noise
        Strength of the noise.
    mix
        Kinds of receptors in a batch.
    batch_size
        Receptors of a batch; each is told from all others.
    temperature
        Of the contrast.
    contrast_weight, teacher_weight, residue_weight
        Weights of the three losses.
    teacher
        How alignment distances become neighbours.
    seed
        Seed of weights and batches.
    """

    network: ReceptorEncoderConfig = field(default_factory=ReceptorEncoderConfig)
    noise: NoiseOptions = field(default_factory=NoiseOptions)
    mix: MixOptions = field(default_factory=MixOptions)
    batch_size: int = 512
    temperature: float = 0.05
    contrast_weight: float = 1.0
    teacher_weight: float = 1.0
    residue_weight: float = 0.2
    teacher: TeacherOptions = field(default_factory=TeacherOptions)
    seed: int = 0


@dataclass(frozen=True)
class TrainReceptorsOptions:
    """What to train on, how, and where the result goes.

    Parameters
    ----------
    corpus
        Tables, and what is left out of them.
    output
        Folder of checkpoint, metrics and bundle.
    task
        Network and losses.
    loop
        Steps, device and checkpoints.
    licences
        TOML file that maps sources to the licences of their data.
    evaluation
        Markdown file with results to put on the bundle's card.
    name, version, licence
        Of the bundle; without a name it is called as its folder.
    resume
        Whether to go on from the folder's checkpoint.
    force
        Whether an earlier run in the folder may be replaced.
    """

    corpus: CorpusOptions
    output: Path = Path("receptors")
    task: ReceptorTaskOptions = field(default_factory=ReceptorTaskOptions)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(steps=4_200, learning_rate=2.5e-3, validate_every=250)
    )
    licences: Path | None = None
    evaluation: Path | None = None
    name: str | None = None
    version: str = "1"
    licence: str = NOT_STATED
    resume: bool = False
    force: bool = False
