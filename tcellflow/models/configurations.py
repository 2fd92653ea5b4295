"""The shapes of the networks, free of torch: so the command line shows their defaults without loading it."""

from __future__ import annotations

from dataclasses import dataclass


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
