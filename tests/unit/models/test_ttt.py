"""Layers that learn while they read: one answer in two forms, order counts, padding does not."""

from __future__ import annotations

import pytest
import torch

from tcellflow.models.configurations import TttConfig
from tcellflow.models.ttt import (
    LinearState,
    MlpState,
    Norm,
    Tokens,
    Ttt,
    TwoWayTtt,
    measure_gradient,
    normalise,
    read_dual,
    read_primal,
    read_sequence,
    read_set,
    sum_steps,
)

F64 = torch.float64
INNER = ("linear", "mlp")


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def make_tokens(length=23, batch=8, f=6, seed=0):
    """Tokens of 2 cells and 3 heads."""
    queries, keys, values = (draw(2, 3, length, f, seed=seed + i) for i in range(3))
    rates = torch.rand(2, 3, length, 1, dtype=F64, generator=torch.Generator().manual_seed(seed)) / f
    steps = (1 / (torch.arange(length) % batch + 1)).to(F64)[None, None, :, None].expand(2, 3, -1, -1)
    return Tokens(queries, keys, values, rates, steps)


def make_state(inner, f=6):
    shapes = [(f, f), (1, f)] if inner == "linear" else [(f, 4 * f), (1, 4 * f), (4 * f, f), (1, f)]
    parts = [draw(1, 3, *shape, seed=9 + i) * 0.4 for i, shape in enumerate(shapes)]
    return LinearState(*parts) if inner == "linear" else MlpState(*parts)


def make_norm(f=6):
    return Norm(1 + 0.2 * draw(3, 1, f, seed=4), 0.2 * draw(3, 1, f, seed=5))


def make_layer(**changes):
    torch.manual_seed(0)
    layer = Ttt(TttConfig(**{"width": 16, "heads": 2, "batch": 4, **changes})).double()
    with torch.no_grad():
        layer.step_change.copy_(0.05 * draw(layer.config.batch, seed=2))
        layer.rate.weight.copy_(draw(*layer.rate.weight.shape, seed=3))
    return layer


def test_the_worked_example_of_five_tokens_in_mini_batches_of_three():
    """Rows and state that were computed by hand once, to six digits."""
    t, j = torch.arange(1, 6, dtype=F64)[:, None], torch.arange(1, 5, dtype=F64)[None]
    queries, keys, values = torch.sin(t + 2 * j), torch.cos(2 * t - j), torch.sin(3 * t + j)
    i = torch.arange(1, 5, dtype=F64)[:, None]
    state = LinearState((0.1 * torch.cos(i + 3 * j))[None, None], torch.zeros(1, 1, 1, 4, dtype=F64))
    steps = torch.tensor([1, 1 / 2, 1 / 3, 1, 1 / 2], dtype=F64)[None, None, :, None]
    rates = torch.full_like(steps, 0.5)
    tokens = Tokens(queries[None, None], keys[None, None], values[None, None], rates, steps)
    norm = Norm(torch.ones(1, 1, 4, dtype=F64), torch.zeros(1, 1, 4, dtype=F64))
    for read in (read_primal, read_dual):
        out, end = read_sequence(tokens, state, norm, 3, read)
        first = torch.tensor([-0.464448, -2.286856, 1.642072, 1.360533], dtype=F64)
        last = torch.tensor([-0.073216, -0.825133, -0.033189, 1.420820], dtype=F64)
        bias = torch.tensor([-2.582070, -5.306429, 4.060804, 3.827695], dtype=F64)
        torch.testing.assert_close(out[0, 0, 0], first, atol=6e-7, rtol=0)
        torch.testing.assert_close(out[0, 0, 4], last, atol=6e-7, rtol=0)
        torch.testing.assert_close(end.bias[0, 0, 0], bias, atol=6e-7, rtol=0)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-12), (torch.float32, 1e-4)])
def test_dual_and_primal_forms_agree(inner, dtype, tolerance):
    """Answers and state of both forms are the same over mini-batches, the last of them short."""
    tokens = Tokens(*(value.to(dtype) for value in make_tokens()))
    kind = type(make_state(inner))
    state = kind(*(value.to(dtype) for value in make_state(inner)))
    norm = Norm(*(value.to(dtype) for value in make_norm()))
    one, one_state = read_sequence(tokens, state, norm, 8, read_primal)
    two, two_state = read_sequence(tokens, state, norm, 8, read_dual)
    torch.testing.assert_close(one, two, atol=tolerance, rtol=tolerance)
    for a, b in zip(one_state, two_state, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def test_the_inner_gradient_is_that_of_the_inner_loss():
    """The formula agrees with finite differences of 1/2 |LN(z) - T|^2."""
    z, target, norm = draw(1, 3, 4, 6), draw(1, 3, 4, 6, seed=1), make_norm()

    def loss(at):
        return 0.5 * (normalise(at, norm) - target).square().sum()

    found, step = measure_gradient(z, target, norm), 1e-6
    for place in [(0, 0, 0, 0), (0, 1, 2, 3), (0, 2, 3, 5)]:
        change = torch.zeros_like(z)
        change[place] = step
        by_difference = (loss(z + change) - loss(z - change)) / (2 * step)
        assert abs(by_difference - found[place]) < 1e-7


@pytest.mark.parametrize("inner", INNER)
def test_the_first_step_of_the_inner_mlp_is_down_the_gradient_of_every_weight(inner):
    """After one token the state moved by -a eta times the gradient that autograd finds."""
    tokens = make_tokens(length=1)
    state, norm = make_state(inner), make_norm()
    start = type(state)(*(value.expand(2, -1, -1, -1).clone().requires_grad_() for value in state))
    if inner == "linear":
        z = tokens.keys @ start.weight + start.bias
    else:
        hidden = torch.nn.functional.gelu(tokens.keys @ start.weight_in + start.bias_in, approximate="tanh")
        z = hidden @ start.weight_out + start.bias_out
    loss = 0.5 * (tokens.keys + normalise(z, norm) - tokens.values).square().sum()
    gradients = torch.autograd.grad(loss, list(start))
    _, end = read_dual(tokens, state, norm)
    for before, after, gradient in zip(start, end, gradients, strict=True):
        torch.testing.assert_close(after, before - tokens.rates * gradient, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("inner", INNER)
def test_gradients_of_the_outer_loop_agree_with_finite_differences(inner):
    """Every parameter and the tokens themselves learn through the inner steps."""
    layer = make_layer(inner=inner, width=8, heads=2, batch=2, is_gated=True)
    x = draw(2, 5, 8, seed=7).requires_grad_()
    real = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], dtype=F64)
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(tokens, *parameters):
        out, _ = torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (tokens, real))
        return out[0].sum() + out[1, :3].square().sum()

    assert torch.autograd.gradcheck(run, (x, *values), eps=1e-6, atol=1e-6)


def test_without_norm_residual_and_bias_one_mini_batch_is_linear_attention():
    """With W = 0 and a = 1 the gradient is -V, and the steps sum to -tril(Q K^T) diag(eta) V."""
    queries, keys, values, rates, _ = make_tokens(length=7)
    weights = rates.transpose(-1, -2).expand(-1, -1, 7, -1)
    found = sum_steps(queries, keys, -values, weights, bias=0)
    by_token = (rates[..., None] * keys[..., None] * values[..., None, :]).cumsum(2)
    torch.testing.assert_close(-found, (queries[..., None, :] @ by_token)[..., 0, :])


@pytest.mark.parametrize("inner", INNER)
def test_order_counts_in_a_sequence(inner):
    """The same tokens in another order give another answer of the same token, also both ways."""
    torch.manual_seed(0)
    layer = TwoWayTtt(TttConfig(16, 2, 4, inner)).double()
    x, order = draw(1, 9, 16), torch.tensor([3, 1, 2, 0, 4, 5, 8, 7, 6])
    one, _ = layer(x)
    other, _ = layer(x[:, order])
    assert (one[:, order] - other).abs().max() > 1e-3


def test_order_does_not_count_in_a_set():
    """Tokens in another order get the same answers in that order."""
    torch.manual_seed(0)
    layer = TwoWayTtt(TttConfig(16, 2, 4, order="set")).double()
    x, order = draw(2, 9, 16), torch.randperm(9, generator=torch.Generator().manual_seed(1))
    real = (torch.arange(9) != 4).to(F64)[None]
    one, _ = layer(x, real)
    other, _ = layer(x[:, order], real[:, order])
    torch.testing.assert_close(one[:, order], other)


def test_a_token_hears_those_before_it_and_both_ways_those_behind_it_too():
    """One direction is causal; two are not."""
    x = draw(1, 9, 16)
    changed = x.clone()
    changed[0, 6] += 1
    one_way = make_layer()
    before, after = one_way(x)[0], one_way(changed)[0]
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.equal(before[:, 6:], after[:, 6:])
    torch.manual_seed(0)
    two_ways = TwoWayTtt(TttConfig(16, 2, 4)).double()
    assert (two_ways(x)[0][:, :6] - two_ways(changed)[0][:, :6]).abs().amax((0, 2)).min() > 1e-9


@pytest.mark.parametrize("changes", [{}, {"inner": "mlp"}, {"order": "set"}])
def test_padding_says_nothing_wherever_it_stands(changes):
    """Real tokens and the state that is handed on are those of the sequence without padding."""
    layer = make_layer(batch=64, **changes)
    x = draw(2, 7, 16)
    padded = draw(2, 10, 16, seed=8)
    places = [0, 2, 3, 4, 6, 7, 8]
    padded[:, places] = x
    real = torch.zeros(1, 10, dtype=F64)
    real[:, places] = 1
    alone, state = layer(x)
    among, padded_state = layer(padded, real)
    torch.testing.assert_close(among[:, places], alone, atol=1e-12, rtol=1e-10)
    for one, other in zip(state, padded_state, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("inner", INNER)
def test_padding_at_the_end_fills_mini_batches_without_a_trace(inner):
    """So sequences of different lengths can share a batch of cells."""
    layer = make_layer(inner=inner)
    x = draw(1, 12, 16)
    real = (torch.arange(12) < 6).to(F64)[None]
    alone, state = layer(x[:, :6])
    among, padded_state = layer(x, real)
    torch.testing.assert_close(among[:, :6], alone, atol=1e-12, rtol=1e-10)
    for one, other in zip(state, padded_state, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


@pytest.mark.parametrize("changes", [{}, {"inner": "mlp"}])
def test_a_state_that_is_handed_over_continues_the_reading(changes):
    """Reading one part and then another equals reading both, where no mini-batch straddles them."""
    layer = make_layer(**changes)
    x = draw(2, 11, 16)
    whole, end = layer(x)
    first, state = layer(x[:, :8])
    second, last = layer(x[:, 8:], state=state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-12, rtol=1e-10)
    for one, other in zip(end, last, strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=1e-10)


def test_twenty_thousand_tokens_cost_memory_in_proportion():
    """What backward keeps grows with the tokens, not with their square."""
    torch.manual_seed(0)
    layer = Ttt(TttConfig(16, 2, 64))

    def count_saved(length):
        sizes = []

        def keep(tensor):
            sizes.append(tensor.numel() * tensor.element_size())
            return tensor

        x = torch.randn(1, length, 16, generator=torch.Generator().manual_seed(0))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out, _ = layer(x)
        out.square().mean().backward()
        return sum(sizes)

    short, long = count_saved(2_000), count_saved(20_000)
    assert long < 10.5 * short
    assert all(torch.isfinite(value.grad).all() for value in layer.parameters())


def test_the_inner_model_reads_in_full_precision_under_autocast():
    """Half precision around the layer does not reach the weights that learn while reading."""
    torch.manual_seed(0)
    layer = Ttt(TttConfig(16, 2, 4))
    x = torch.randn(1, 9, 16)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, state = layer(x)
    exact, _ = layer(x)
    assert state.weight.dtype == torch.float32
    torch.testing.assert_close(rounded, exact)


def test_constant_tokens_do_not_break_the_norm():
    """Equal entries have no deviation; answers stay finite."""
    layer = make_layer()
    out, _ = layer(torch.zeros(1, 6, 16, dtype=F64))
    assert torch.isfinite(out).all()


def test_the_set_form_moves_by_the_mean_gradient():
    """Its state is the first one less K^T eta G / sqrt(L)."""
    tokens, norm = make_tokens(length=5), make_norm()
    state = make_state("linear")
    _, end = read_set(tokens, state, norm, torch.ones(1, 5, dtype=F64))
    gradient = measure_gradient(tokens.keys @ state.weight + state.bias, tokens.values - tokens.keys, norm)
    change = tokens.rates * gradient / 5**0.5
    torch.testing.assert_close(end.weight, state.weight - tokens.keys.transpose(-1, -2) @ change)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"heads": 3}, "do not divide"), ({"inner": "mlp", "order": "set"}, "linear inner model")],
)
def test_shapes_that_make_no_layer_are_refused(changes, words):
    """They would fail later, less clearly."""
    with pytest.raises(ValueError, match=words):
        make_layer(**changes)
