"""The shapes of the networks, free of torch: so the command line shows their defaults without loading it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Inner = Literal["linear", "mlp"]
Order = Literal["sequence", "set"]
MixerKind = Literal["ttt", "ttt-set", "attention", "none"]
FusionKind = Literal["hand-over", "attention", "add", "none"]


@dataclass(frozen=True)
class AxesConfig:
    """Shape of the axes network.

    Parameters
    ----------
    genes
        Genes G of the panel.
    width
        Width of the first layer.
    latent
        Width of the latent vector.
    receptor_dimension
        Width D of a chain's vector; 0 = the network takes expression alone.
    receptor_width
        Width of the receptors' hidden layer.
    dropout
        Share of hidden units dropped while training.
    members
        Members M.
    taught
        Numbers of a teacher's latent vector that are learnt beside the labels; 0 = none.
    """

    genes: int
    width: int = 256
    latent: int = 128
    receptor_dimension: int = 0
    receptor_width: int = 64
    dropout: float = 0.3
    members: int = 1
    taught: int = 0


@dataclass(frozen=True)
class SeedConfig:
    """Shape of the seed network.

    Parameters
    ----------
    genes
        Genes of the panel.
    chain
        Width of a chain's vector.
    vj
        Width of the one-hot V/J genes.
    width
        Width h of the network.
    heads
        Attention heads; divides the width.
    dropout
        Share dropped, in attention too.
    states
        Classes.
    """

    genes: int = 3_000
    chain: int = 768
    vj: int = 161
    width: int = 512
    heads: int = 4
    dropout: float = 0.3
    states: int = 7


@dataclass(frozen=True)
class ReceptorEncoderConfig:
    """Shape of the receptor encoder.

    Parameters
    ----------
    width
        Width W of a token.
    layers
        Transformer blocks.
    heads
        Attention heads; divides the width.
    feed_forward
        Hidden width of a block.
    dimension
        Width D of the vectors.
    positions
        Places told apart, counted from either end of the junction.
    residues
        Kinds of residues.
    loci
        Loci told apart.
    """

    width: int = 64
    layers: int = 3
    heads: int = 4
    feed_forward: int = 256
    dimension: int = 128
    positions: int = 20
    residues: int = 20
    loci: int = 2

    @property
    def residue_tokens(self) -> int:
        """Tokens of a residue: padding, masked, and one per kind."""
        return self.residues + 2


@dataclass(frozen=True)
class TttConfig:
    """Shape of a layer that learns while it reads.

    Parameters
    ----------
    width
        Width d of a token.
    heads
        Heads H; divides the width.
    batch
        Tokens b of a mini-batch.
    inner
        What is learnt while reading.
    order
        Whether tokens are a sequence, or a set (``linear`` alone).
    is_gated
        Whether a gate of the token multiplies the answer.
    """

    width: int
    heads: int = 4
    batch: int = 64
    inner: Inner = "linear"
    order: Order = "sequence"
    is_gated: bool = False


@dataclass(frozen=True)
class TokenConfig:
    """Shape of the token branch.

    Parameters
    ----------
    mixer
        How tokens of one modality meet.
    fusion
        How the modalities meet.
    width
        Width d of a token.
    heads
        Heads; divides the width.
    batch
        Tokens of a mini-batch of the TTT layers.
    rna_blocks, adt_blocks, decoder_blocks
        Depth.
    guesses_adt
        Whether the encoded proteins of a cell without any are guessed from its genes.
    """

    mixer: MixerKind = "ttt"
    fusion: FusionKind = "hand-over"
    width: int = 64
    heads: int = 4
    batch: int = 64
    rna_blocks: int = 2
    adt_blocks: int = 1
    decoder_blocks: int = 0
    guesses_adt: bool = False


@dataclass(frozen=True)
class FusionConfig:
    """Shape of the fusion network.

    Parameters
    ----------
    genes, proteins, classes
        Sizes of the panels and of the labels (0 without).
    components
        Principal components that are used, 0 for tokens alone.
    width, latent
        Hidden layer and fused vector.
    dropout
        Share dropped.
    is_normalised
        Whether hidden layer and vector are layer-normalised; whole cells are told apart better without.
    tokens
        The token branch; None without.
    """

    genes: int
    proteins: int
    classes: int
    components: int = 32
    width: int = 384
    latent: int = 64
    dropout: float = 0.1
    is_normalised: bool = False
    tokens: TokenConfig | None = None


@dataclass(frozen=True)
class LanguageConfig:
    """Shape of the network that puts claims into words.

    Parameters
    ----------
    genes
        Genes of the panel.
    kinds
        Kinds of claims.
    tokens
        Words, slots and marks of the vocabulary.
    width
        Width of all vectors.
    heads
        Attention heads; divides the width.
    deviating
        Genes that stand for themselves, the most unusual ones.
    queries
        Vectors that are made of a group's expression.
    projector_layers, plan_layers, decoder_layers
        Depth.
    numbers
        Numbers of a row.
    most_rows, longest
        Most rows of a plan, and tokens of a text.
    contrast, buckets
        Width in which cells and texts are compared, and buckets of hashed words; of training alone.
    dropout
        Share dropped while training.
    """

    genes: int
    kinds: int
    tokens: int
    width: int = 128
    heads: int = 4
    deviating: int = 32
    queries: int = 16
    projector_layers: int = 2
    plan_layers: int = 2
    decoder_layers: int = 3
    numbers: int = 8
    most_rows: int = 64
    longest: int = 512
    contrast: int = 64
    buckets: int = 4096
    dropout: float = 0.1
