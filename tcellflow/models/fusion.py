"""The network that fuses expression and surface proteins into one vector per cell.

Principal components of the genes and the proteins go through a gated perceptron: that alone is the plain
network. Tokens of genes and proteins come beside it with a weight that is learnt and may become 0. Without
components the tokens are all there is: the published scFusionTTT design.

Invariant: a value under a mask of 0 changes no output by any bit; a cell needs neither modality.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from tcellflow.models.fusion_tokens import GeneTokens, MixerBlock, ProteinTokens, TokenBranch

if TYPE_CHECKING:
    from tcellflow.models.configurations import FusionConfig, TokenConfig

_LEAST_SHARE = 0.05  # of a component's squared loadings that must be measured for it to be scaled up
_VARIANCE_RANGE = (-6.0, 4.0)  # of the logarithm
_GATE_RANGE = (-10.0, 10.0)


class FusionBasis(NamedTuple):
    """What the network knows of the genes before it learns.

    Parameters
    ----------
    loadings
        (G, k) principal axes, unit columns.
    spread
        (k,) standard deviation along them.
    patches, chromosome
        As `GeneTokens` takes them.
    """

    loadings: Tensor
    spread: Tensor
    patches: Tensor
    chromosome: Tensor


class FusionOutput(NamedTuple):
    """What is said of B cells.

    Parameters
    ----------
    latent
        (B, D) fused vectors.
    logits
        (B, K) of the classes.
    protein_mean, protein_log_variance
        (B, P) standardised log-counts and the logarithm of their variance.
    weights
        (B, 2) of expression and proteins; sum 1, 0 for what is absent.
    genes
        (B, G) standardised genes that the tokens tell; None without tokens.
    """

    latent: Tensor
    logits: Tensor
    protein_mean: Tensor
    protein_log_variance: Tensor
    weights: Tensor
    genes: Tensor | None


class PlainBranch(nn.Module):
    """A perceptron on principal components and proteins, whose two halves are weighed by a gate.

    Parameters
    ----------
    config
        Shape.
    basis
        Components.
    """

    loadings: Tensor
    spread: Tensor

    def __init__(self, config: FusionConfig, basis: FusionBasis) -> None:
        super().__init__()
        k, h = config.components, config.width
        self.register_buffer("loadings", basis.loadings[:, :k].float())
        self.register_buffer("spread", basis.spread[:k].float())
        self.of_components = nn.Linear(k, h, bias=False)
        self.of_proteins = nn.Linear(config.proteins, h, bias=False)
        self.of_mask = nn.Linear(config.proteins, h, bias=False)
        self.gate = nn.Linear(2 * h, 2)
        for zero in (self.of_mask.weight, self.gate.weight, self.gate.bias):
            nn.init.zeros_(zero)
        self.norm = nn.LayerNorm(h) if config.is_normalised else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.to_latent = nn.Linear(h, config.latent)

    def project(self, genes: Tensor, mask: Tensor) -> Tensor:
        """Give whitened components (B, k), scaled up where genes are missing."""
        share = mask @ self.loadings.square()  # (B or 1, k)
        return genes @ self.loadings / share.clamp(min=_LEAST_SHARE) / self.spread

    def forward(
        self, components: Tensor, gene_mask: Tensor, proteins: Tensor, protein_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give the latent (B, D) and the weights of the modalities (B, 2)."""
        n = proteins.shape[0]
        of_rna, of_adt = (
            self.of_components(components),
            self.of_proteins(proteins) + self.of_mask(protein_mask),
        )
        has = torch.cat(
            [gene_mask.amax(1, keepdim=True).expand(n, -1), protein_mask.amax(1, keepdim=True).expand(n, -1)],
            1,
        )  # (B, 2)
        scores = torch.exp(self.gate(torch.cat([of_rna, of_adt], 1)).clamp(*_GATE_RANGE)) * has
        weights = scores / scores.sum(1, keepdim=True).clamp(min=1e-6)
        # twice: with equal weights the halves are added as in a perceptron on both
        hidden = 2 * (weights[:, :1] * of_rna + weights[:, 1:] * of_adt)
        return self.to_latent(self.dropout(functional.gelu(self.norm(hidden)))), weights


class GeneDecoder(nn.Module):
    """Tells genes (B, G) from the tokens of their patches (B, T, d).

    Parameters
    ----------
    config
        Shape of the tokens.
    patches
        As `GeneTokens` takes them.
    genes
        Genes G.
    """

    place: Tensor

    def __init__(self, config: TokenConfig, patches: Tensor, genes: int) -> None:
        super().__init__()
        n_patches, size = patches.shape
        self.blocks = nn.ModuleList(MixerBlock(config) for _ in range(config.decoder_blocks))
        self.tell = nn.Parameter(torch.randn(n_patches, config.width, size) * 0.02)
        flat = patches.flatten()
        place = torch.zeros(genes, dtype=torch.long)
        place[flat[flat < genes]] = torch.arange(flat.numel())[flat < genes]
        self.register_buffer("place", place)

    def forward(self, tokens: Tensor) -> Tensor:
        """Decode."""
        x = tokens[:, : self.tell.shape[0]]
        real = x.new_ones(1, x.shape[1])
        for block in self.blocks:
            x = block(x, real)
        return torch.einsum("btd,tds->bts", x, self.tell).flatten(1)[:, self.place]


class FusionNetwork(nn.Module):
    """Fuses cells.

    Parameters
    ----------
    config
        Shape.
    basis
        Components and patches.

    Raises
    ------
    ValueError
        If there are neither components nor tokens.
    """

    def __init__(self, config: FusionConfig, basis: FusionBasis) -> None:
        super().__init__()
        if not config.components and config.tokens is None:
            raise ValueError("a network needs components or tokens")
        self.config = config
        h, d = config.width, config.latent
        self.plain = PlainBranch(config, basis) if config.components else None
        self.tokens: TokenBranch | None = None
        if config.tokens is not None:
            width = config.tokens.width
            self.tokens = TokenBranch(
                config.tokens,
                GeneTokens(basis.patches, basis.chromosome, config.components, width),
                ProteinTokens(config.proteins, width),
            )
            self.token_latent = nn.Linear(width, d)
            self.token_weight = nn.Parameter(torch.tensor(0.1 if config.components else 1.0))
            self.decode = GeneDecoder(config.tokens, basis.patches, config.genes)
        self.norm = nn.LayerNorm(d, elementwise_affine=False) if config.is_normalised else nn.Identity()
        self.dropout = nn.Dropout(config.dropout)
        self.classify = nn.Linear(d, config.classes) if config.classes else None
        self.expand = nn.Linear(d, h)
        self.measure = nn.Linear(h, 2 * config.proteins)

    def forward(
        self, genes: Tensor, gene_mask: Tensor, proteins: Tensor, protein_mask: Tensor
    ) -> FusionOutput:
        """Fuse B cells.

        Parameters
        ----------
        genes
            (B, G) standardised log-expression.
        gene_mask
            (B or 1, G) 1 where a gene was measured.
        proteins
            (B, P) standardised centred log-ratios.
        protein_mask
            (B or 1, P) 1 where a protein was measured.

        Returns
        -------
        FusionOutput
            Vector, classes, proteins and weights.
        """
        shown, seen = genes * gene_mask, proteins * protein_mask
        components, told = None, None
        latents, weights = [], None
        if self.plain is not None:
            components = self.plain.project(shown, gene_mask)
            latent, weights = self.plain(components, gene_mask, seen, protein_mask)
            latents.append(latent)
        if self.tokens is not None:
            found = self.tokens(shown, gene_mask, seen, protein_mask, components)
            latents.append(self.token_weight * self.token_latent(found.pooled))
            weights = found.weights if weights is None else weights
            told = self.decode(found.rna)
        latent = self.norm(torch.stack(latents).sum(0))
        dropped = self.dropout(latent)
        mean, spread = self.measure(functional.gelu(self.expand(dropped))).chunk(2, -1)
        logits = latent[:, :0] if self.classify is None else self.classify(dropped)
        return FusionOutput(
            latent, logits, mean, spread.clamp(*_VARIANCE_RANGE), cast("Tensor", weights), told
        )


class FusionInference(nn.Module):
    """The network as a bundle holds it: probabilities at a temperature, and standard deviations.

    Parameters
    ----------
    network
        Trained.
    temperature
        Of the classes' logits.
    deviation
        (P,) factor that makes the proteins' standard deviations hold.
    """

    deviation: Tensor

    def __init__(self, network: FusionNetwork, temperature: float, deviation: Tensor) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.register_buffer("deviation", deviation.float())

    def forward(
        self, genes: Tensor, gene_mask: Tensor, proteins: Tensor, protein_mask: Tensor
    ) -> tuple[Tensor, ...]:
        """Give latent, class probabilities (B, K), protein mean and sd (B, P), weights (B, 2)."""
        out = self.network(genes, gene_mask, proteins, protein_mask)
        sd = torch.exp(0.5 * out.protein_log_variance) * self.deviation
        return out.latent, (out.logits / self.temperature).softmax(-1), out.protein_mean, sd, out.weights
