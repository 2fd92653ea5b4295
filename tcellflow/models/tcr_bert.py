"""TCR-BERT as it is shipped: a BERT encoder whose last layer is pooled to one vector per junction.

The encoder itself is that of the transformers library; here are its configuration and the pooling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

Pool = Literal["mean", "cls"]


@dataclass(frozen=True)
class BertTokens:
    """Numbers of the tokens that are no residues.

    Parameters
    ----------
    padding, class_, separator
        Their numbers.
    """

    padding: int
    class_: int
    separator: int


class PooledBert(nn.Module):
    """A BERT encoder with one vector per sequence.

    Parameters
    ----------
    bert
        Takes ``input_ids`` and ``attention_mask`` and gives ``last_hidden_state``.
    tokens
        Numbers of the special tokens.
    pool
        ``mean``: over the residues, as its authors do; ``cls``: the class token.
    """

    def __init__(self, bert: nn.Module, tokens: BertTokens, pool: Pool) -> None:
        super().__init__()
        self.bert = bert
        self.special = tokens
        self.pool = pool

    def forward(self, tokens: Tensor) -> tuple[Tensor]:
        """Embed B junctions.

        Parameters
        ----------
        tokens
            (B, L) int64: class, residues, separator, padding.

        Returns
        -------
        tuple of torch.Tensor
            (B, D) vectors.
        """
        is_real = tokens != self.special.padding  # (B, L)
        hidden = self.bert(input_ids=tokens, attention_mask=is_real.long()).last_hidden_state  # (B, L, D)
        if self.pool == "cls":
            return (hidden[:, 0],)
        is_residue = is_real & (tokens != self.special.class_) & (tokens != self.special.separator)
        weight = is_residue[:, :, None].to(hidden.dtype)  # (B, L, 1)
        return ((hidden * weight).sum(1) / weight.sum(1),)
