r"""Test-time-training layers: a sequence is read into the weights of a small model that learns as it reads.

Every head carries a model f whose weights W are its memory. Reading a mini-batch of b tokens takes one
gradient step per token on the inner loss ``1/2 |f(K_s) - V_s|^2``, every gradient at the weights the
mini-batch began with; the token's answer is ``f(Q_t)`` under the weights that have seen s <= t. With
``f(z) = z + LN(z W + c)``, ``zh`` the normalised ``K W + c`` and ``r`` its inverse deviation, ::

    T = V - K,  e = gamma .* (gamma .* zh + beta - T)
    G = r (e - mean(e) - zh .* mean(e .* zh))                  gradient of the loss in K W + c
    W_t = W - a_t sum_{s<=t} eta_s K_s^T G_s,   c_t = c - a_t sum_{s<=t} eta_s G_s           (primal)
    Q_t W_t + c_t = (Q W + c - (E .* tril(Q K^T + 1)) G)_t,   E[t,s] = a_t eta_s             (dual)

The primal form is written as the equations are and kept as the reference; the dual form gives the same
without ever making a W_t, in memory that grows with the number of tokens, not with its square.

Invariant: a token of padding has eta = 0 and is not counted by t, wherever it stands: within a mini-batch
neither the answers of the other tokens nor the state that is handed on depend on it.

Notes
-----
Sun et al. 2024, arXiv 2407.04620, equations 4-8 and appendix A. The set form takes all tokens as one
unordered chunk, after Zhang et al. 2025, arXiv 2505.23884.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from tcellflow.models.configurations import Inner, TttConfig

_EPSILON: Final = 1e-6
_BASE_RATE: Final[dict[Inner, float]] = {"linear": 1.0, "mlp": 0.1}
_HIDDEN: Final = 4  # hidden units of the inner MLP per unit of its input
# Derivative of GELU in its tanh form needs the constants of the form itself.
_GELU_SLOPE: Final = 0.7978845608028654  # sqrt(2 / pi)
_GELU_CUBIC: Final = 0.044715


class LinearState(NamedTuple):
    """Weights (B or 1, H, f, f) and bias (B or 1, H, 1, f) of the inner linear model."""

    weight: Tensor
    bias: Tensor


class MlpState(NamedTuple):
    """Weights and biases of the inner MLP: (.., f, 4f), (.., 1, 4f), (.., 4f, f), (.., 1, f)."""

    weight_in: Tensor
    bias_in: Tensor
    weight_out: Tensor
    bias_out: Tensor


State = LinearState | MlpState


class Tokens(NamedTuple):
    """What the inner model reads.

    Parameters
    ----------
    queries, keys, values
        (B, H, L, f).
    rates
        (B or 1, H, L, 1) inner learning rates eta >= 0; 0 for padding.
    steps
        (B or 1, H, L, 1) step sizes a_t within each token's mini-batch.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    rates: Tensor
    steps: Tensor

    def part(self, start: int, end: int) -> Tokens:
        """Take the tokens from start to end."""
        return Tokens(*(value[:, :, start:end] for value in self))


class Norm(NamedTuple):
    """Scale gamma and shift beta of the inner layer norm, each (H, 1, f)."""

    scale: Tensor
    shift: Tensor


def normalise(x: Tensor, norm: Norm) -> Tensor:
    """Apply the layer norm of each head to (B, H, L, f)."""
    zh, _ = _standardise(x)
    return norm.scale * zh + norm.shift


def measure_gradient(z: Tensor, target: Tensor, norm: Norm) -> Tensor:
    """Give the gradient of ``1/2 |LN(z) - target|^2`` in z, all (B, H, L, f)."""
    zh, inverse = _standardise(z)
    error = norm.scale * (norm.scale * zh + norm.shift - target)
    mean, along = error.mean(-1, keepdim=True), (error * zh).mean(-1, keepdim=True)
    return inverse * (error - mean - zh * along)


def read_primal(tokens: Tokens, state: State, norm: Norm) -> tuple[Tensor, State]:
    """Read one mini-batch token by token, as the equations are written.

    Parameters
    ----------
    tokens
        Of one mini-batch.
    state
        Before it.
    norm
        Inner layer norm.

    Returns
    -------
    tuple
        Answers (B, H, L, f) before the output norm, and the state after the last token.
    """
    queries, keys, values, rates, steps = tokens
    target = values - keys

    def follow(start: Tensor, left: Tensor | None, gradient: Tensor) -> Tensor:
        """Give the weights (B, H, L, in, out) or biases (B, H, L, 1, out) after each token."""
        change = (gradient if left is None else left[..., None] * gradient[..., None, :]) * (
            rates if left is None else rates[..., None]
        )
        total = change.cumsum(2)
        if left is None:
            return start[:, :, None] - (steps * total)[..., None, :]
        return start[:, :, None] - steps[..., None] * total

    if isinstance(state, LinearState):
        gradient = measure_gradient(keys @ state.weight + state.bias, target, norm)
        weight, bias = follow(state.weight, keys, gradient), follow(state.bias, None, gradient)
        answers = (queries[..., None, :] @ weight + bias)[..., 0, :]
        out = queries + normalise(answers, norm)
        return out, LinearState(weight[:, :, -1], bias[:, :, -1])
    hidden = keys @ state.weight_in + state.bias_in
    shown = _gelu(hidden)
    outer = measure_gradient(shown @ state.weight_out + state.bias_out, target, norm)
    inner = (outer @ state.weight_out.transpose(-1, -2)) * _gelu_slope(hidden)
    moved = MlpState(
        follow(state.weight_in, keys, inner), follow(state.bias_in, None, inner),
        follow(state.weight_out, shown, outer), follow(state.bias_out, None, outer),
    )  # fmt: skip
    first = _gelu(queries[..., None, :] @ moved.weight_in + moved.bias_in)
    answers = (first @ moved.weight_out + moved.bias_out)[..., 0, :]
    return queries + normalise(answers, norm), MlpState(*(value[:, :, -1] for value in moved))


def read_dual(tokens: Tokens, state: State, norm: Norm) -> tuple[Tensor, State]:
    """Read one mini-batch by products of matrices; what `read_primal` gives, but for rounding.

    Parameters
    ----------
    tokens
        Of one mini-batch.
    state
        Before it.
    norm
        Inner layer norm.

    Returns
    -------
    tuple
        Answers (B, H, L, f) before the output norm, and the state after the last token.
    """
    queries, keys, values, rates, steps = tokens
    target = values - keys
    weights = steps * rates.transpose(-1, -2)  # E (B, H, L, L)
    last = steps[:, :, -1:] * rates  # (B, H, L, 1): E of the last token, as a column

    def answer(asked: Tensor, shown: Tensor, gradient: Tensor) -> Tensor:
        return sum_steps(asked, shown, gradient, weights)

    def move(start: Tensor, shown: Tensor | None, gradient: Tensor) -> Tensor:
        change = last * gradient
        return start - (change.sum(-2, keepdim=True) if shown is None else shown.transpose(-1, -2) @ change)

    if isinstance(state, LinearState):
        gradient = measure_gradient(keys @ state.weight + state.bias, target, norm)
        answers = queries @ state.weight + state.bias - answer(queries, keys, gradient)
        moved: State = LinearState(move(state.weight, keys, gradient), move(state.bias, None, gradient))
        return queries + normalise(answers, norm), moved
    hidden = keys @ state.weight_in + state.bias_in
    shown = _gelu(hidden)
    outer = measure_gradient(shown @ state.weight_out + state.bias_out, target, norm)
    inner = (outer @ state.weight_out.transpose(-1, -2)) * _gelu_slope(hidden)
    first = _gelu(queries @ state.weight_in + state.bias_in - answer(queries, keys, inner))
    answers = first @ state.weight_out + state.bias_out - answer(first, shown, outer)
    moved = MlpState(
        move(state.weight_in, keys, inner), move(state.bias_in, None, inner),
        move(state.weight_out, shown, outer), move(state.bias_out, None, outer),
    )  # fmt: skip
    return queries + normalise(answers, norm), moved


def sum_steps(asked: Tensor, shown: Tensor, gradient: Tensor, weights: Tensor, bias: float = 1.0) -> Tensor:
    """Give what the steps so far take from each token's answer: (E .* tril(asked shown^T + 1)) G.

    Parameters
    ----------
    asked, shown
        (B, H, L, in) what the weights are asked with, and what they learnt from.
    gradient
        (B, H, L, out) of the inner loss.
    weights
        (B, H, L, L) E.
    bias
        1 where the inner model has a bias, 0 without.

    Returns
    -------
    torch.Tensor
        (B, H, L, out).
    """
    return (weights * (asked @ shown.transpose(-1, -2) + bias).tril()) @ gradient


def read_sequence(
    tokens: Tokens,
    state: State,
    norm: Norm,
    batch: int,
    read: Callable[[Tokens, State, Norm], tuple[Tensor, State]] = read_dual,
) -> tuple[Tensor, State]:
    """Read a sequence mini-batch by mini-batch.

    Parameters
    ----------
    tokens
        Of the whole sequence.
    state
        Before it.
    norm
        Inner layer norm.
    batch
        Tokens b of a mini-batch; the last may be shorter.
    read
        `read_dual` or `read_primal`.

    Returns
    -------
    tuple
        Answers (B, H, L, f) before the output norm, and the state after the last token.
    """
    answers = []
    length = tokens.queries.shape[2]
    for start in range(0, length, batch):
        answer, state = read(tokens.part(start, min(start + batch, length)), state, norm)
        answers.append(answer)
    return torch.cat(answers, 2), state


def read_set(tokens: Tokens, state: LinearState, norm: Norm, is_real: Tensor) -> tuple[Tensor, LinearState]:
    """Read all tokens at once, in no order: one step with the mean gradient of all.

    Parameters
    ----------
    tokens
        Of the set; their step sizes are not used.
    state
        Before it.
    norm
        Inner layer norm.
    is_real
        (B or 1, L) 1 for a token, 0 for padding.

    Returns
    -------
    tuple
        Answers (B, H, L, f), which go with their tokens in any order, and the state.
    """
    queries, keys, values, rates, _ = tokens
    gradient = measure_gradient(keys @ state.weight + state.bias, values - keys, norm)
    count = is_real.sum(-1).clamp(min=1)[:, None, None, None]
    change = rates * gradient * count.rsqrt()
    moved = LinearState(
        state.weight - keys.transpose(-1, -2) @ change, state.bias - change.sum(-2, keepdim=True)
    )
    return queries + normalise(queries @ moved.weight + moved.bias, norm), moved


class Ttt(nn.Module):
    """One layer, one direction.

    Queries and keys have unit root mean square per head, and the first weights the deviation 1 / sqrt(f):
    with the paper's 0.02 the inner norm would divide by a deviation near 0 and the first gradients be
    some 50 times too large.

    Parameters
    ----------
    config
        Shape.

    Raises
    ------
    ValueError
        If the heads do not divide the width, or an inner MLP is to read a set.
    """

    def __init__(self, config: TttConfig) -> None:
        super().__init__()
        if config.width % config.heads:
            raise ValueError(f"{config.heads} heads do not divide a width of {config.width}")
        if config.order == "set" and config.inner != "linear":
            raise ValueError("the set form has a linear inner model")
        self.config = config
        d, h = config.width, config.heads
        f = d // h
        self.queries, self.keys, self.values = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.rate = nn.Linear(d, h)
        nn.init.normal_(self.rate.weight, std=0.02)
        nn.init.zeros_(self.rate.bias)
        self.step_change = nn.Parameter(torch.zeros(config.batch))
        self.scale, self.shift = nn.Parameter(torch.ones(h, 1, f)), nn.Parameter(torch.zeros(h, 1, f))
        shapes = [(f, f)] if config.inner == "linear" else [(f, _HIDDEN * f), (_HIDDEN * f, f)]
        self.start = nn.ParameterList(
            part
            for rows, columns in shapes
            for part in (torch.randn(1, h, rows, columns) * rows**-0.5, torch.zeros(1, h, 1, columns))
        )
        self.norm = nn.LayerNorm(d, eps=_EPSILON)
        self.gate = nn.Linear(d, d, bias=False) if config.is_gated else None
        self.merge = nn.Linear(d, d, bias=False)

    def first_state(self) -> State:
        """Give the state before anything was read."""
        parts = list(self.start)
        return LinearState(*parts) if self.config.inner == "linear" else MlpState(*parts)

    def forward(
        self, x: Tensor, is_real: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """Read tokens.

        Parameters
        ----------
        x
            (B, L, d).
        is_real
            (B or 1, L) 1 for a token, 0 for padding; None = all are real.
        state
            What was learnt before, e.g. from another modality; None = nothing.

        Returns
        -------
        tuple
            (B, L, d), arbitrary at padding, and the state after the last real token.
        """
        if torch.is_autocast_enabled(x.device.type):
            # half-precision weights of the inner model drift: it reads in float32 whatever surrounds it
            with torch.autocast(x.device.type, enabled=False):
                return self._read(x.float(), is_real, state)
        return self._read(x, is_real, state)

    def _read(self, x: Tensor, is_real: Tensor | None, state: State | None) -> tuple[Tensor, State]:
        real = x.new_ones(1, x.shape[1]) if is_real is None else is_real
        tokens = self._prepare(x, real)
        norm = Norm(self.scale, self.shift)
        begin = self.first_state() if state is None else state
        if self.config.order == "set":
            answers, end = cast(
                "tuple[Tensor, State]", read_set(tokens, cast("LinearState", begin), norm, real)
            )
        else:
            answers, end = read_sequence(tokens, begin, norm, self.config.batch)
        joined = self.norm(answers.transpose(1, 2).flatten(2))  # (B, L, d)
        if self.gate is not None:
            joined = joined * functional.gelu(self.gate(x), approximate="tanh")
        return self.merge(joined), end

    def _prepare(self, x: Tensor, real: Tensor) -> Tokens:
        heads, f = self.config.heads, self.config.width // self.config.heads

        def split(y: Tensor) -> Tensor:
            return y.reshape(*y.shape[:2], heads, f).transpose(1, 2)  # (B, H, L, f)

        rates = torch.sigmoid(self.rate(x)) * (_BASE_RATE[self.config.inner] / f) * real[..., None]
        return Tokens(
            _unit(split(self.queries(x))),
            _unit(split(self.keys(x))),
            split(self.values(x)),
            rates.transpose(1, 2)[..., None],
            self._count_steps(real)[:, None, :, None],
        )

    def _count_steps(self, real: Tensor) -> Tensor:
        """Give a_t (B or 1, L), t counting the real tokens of the mini-batch up to each token."""
        batch, length = self.config.batch, real.shape[1]
        parts = (real[:, start : min(start + batch, length)] for start in range(0, length, batch))
        numbers = torch.cat([part.cumsum(-1) for part in parts], -1)
        table = (1 / torch.arange(1, batch + 1, device=real.device, dtype=real.dtype)) + self.step_change
        return table.clamp(min=0)[(numbers.long() - 1).clamp(min=0)]


class TwoWayTtt(nn.Module):
    """Two layers that read in both directions; their answers are added.

    One direction alone would let the first token know nothing of the others. The set form has no
    direction and is read once.

    Parameters
    ----------
    config
        Shape of each.
    """

    def __init__(self, config: TttConfig) -> None:
        super().__init__()
        n_ways = 1 if config.order == "set" else 2
        self.ways = nn.ModuleList(Ttt(config) for _ in range(n_ways))

    def forward(
        self, x: Tensor, is_real: Tensor | None = None, states: tuple[State, ...] | None = None
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Read tokens.

        Parameters
        ----------
        x, is_real
            As in `Ttt.forward`.
        states
            One per direction; None = nothing was read.

        Returns
        -------
        tuple
            (B, L, d), and a state per direction.
        """
        answer, first = self.ways[0](x, is_real, None if states is None else states[0])
        if len(self.ways) == 1:
            return answer, (first,)
        turned = None if is_real is None else is_real.flip(-1)
        other, second = self.ways[1](x.flip(1), turned, None if states is None else states[1])
        return answer + other.flip(1), (first, second)


def _standardise(x: Tensor) -> tuple[Tensor, Tensor]:
    centred = x - x.mean(-1, keepdim=True)
    inverse = ((centred * centred).mean(-1, keepdim=True) + _EPSILON).rsqrt()
    return centred * inverse, inverse


def _unit(x: Tensor) -> Tensor:
    return x * ((x * x).mean(-1, keepdim=True) + _EPSILON).rsqrt()


def _gelu(x: Tensor) -> Tensor:
    return functional.gelu(x, approximate="tanh")


def _gelu_slope(x: Tensor) -> Tensor:
    along = torch.tanh(_GELU_SLOPE * (x + _GELU_CUBIC * x**3))
    return 0.5 * (1 + along) + 0.5 * x * (1 - along**2) * _GELU_SLOPE * (1 + 3 * _GELU_CUBIC * x**2)
