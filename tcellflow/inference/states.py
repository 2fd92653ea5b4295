"""T-cell states from expression: arrays in, arrays out.

Invariant: a cell's result depends on nothing but the cell, whatever the chunk it came in and the
number of threads; lineage, function and cycle are always those of the predicted state.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from tcellflow.errors import BundleError, InputError
from tcellflow.inference.session import Device, open_session
from tcellflow.vocabulary import COUNTS_PER_CELL, Cycle, Function, Lineage, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tcellflow.io.bundles import Bundle

EffectorMemoryAs = Literal["memory", "effector"]

# Every batch has this many rows (the last is filled up), so that the same kernels add in the same
# order for every cell. 256 was the quickest size in the benchmarks: it stays in the cache.
BATCH_CELLS: Final = 256
# The largest value that log1p(counts per 10,000) can take: all counts of the cell in one gene.
MAX_EXPRESSION: Final = float(np.log1p(COUNTS_PER_CELL)) + 1e-3
_STATES, _LINEAGES, _FUNCTIONS = tuple(State), tuple(Lineage), tuple(Function)
_INPUTS = {"expression", "present"}
_OUTPUTS = ("state_probabilities", "p_lineage", "p_function", "p_cycling", "joint", "latent")
_MEMORY = {Function.CENTRAL_MEMORY, Function.EFFECTOR_MEMORY, Function.RESIDENT_MEMORY}
_EXHAUSTED = {Function.EXHAUSTED_PROGENITOR, Function.EXHAUSTED_TERMINAL}


@dataclass(frozen=True)
class StateCalls:
    """Calls of B cells.

    Parameters
    ----------
    predicted_state
        Most probable of the seven states, shape (B,), object (`State`).
    lineage, function, cycle
        Most probable combination inside `predicted_state`, shape (B,), object.
    state_probabilities
        Shape (B, 7), float32, in the order of `State`; rows sum to 1.
    p_lineage
        Shape (B, 6), float32, in the order of `Lineage`.
    p_function
        Shape (B, 9), float32, in the order of `Function`; NaN where the bundle has no such class.
    p_cycling
        Shape (B,), float32.
    entropy
        Of `state_probabilities`, nats, shape (B,), float32.
    latent
        The bundle's latent, shape (B, D), float32.
    """

    predicted_state: NDArray[np.object_]
    lineage: NDArray[np.object_]
    function: NDArray[np.object_]
    cycle: NDArray[np.object_]
    state_probabilities: NDArray[np.float32]
    p_lineage: NDArray[np.float32]
    p_function: NDArray[np.float32]
    p_cycling: NDArray[np.float32]
    entropy: NDArray[np.float32]
    latent: NDArray[np.float32]

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Calibrated probability of `predicted_state`, shape (B,)."""
        return np.asarray(self.state_probabilities.max(axis=1, initial=0.0), dtype=np.float32)


def join_calls(parts: Sequence[StateCalls]) -> StateCalls:
    """Join the calls of consecutive cells.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    StateCalls
        All cells in order.
    """
    return StateCalls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(StateCalls)))


class StatePredictor:
    """A states bundle, ready to predict.

    Parameters
    ----------
    bundle
        A verified bundle of the task "states".
    threads
        As in `open_session`.
    device
        As in `open_session`.
    effector_memory_as
        Whether effector memory counts as Memory or as Effector.

    Raises
    ------
    BundleError
        If the bundle has another task, or its model other inputs, outputs or sizes than it declares.
    OptionsError
        As `open_session`.

    Examples
    --------
    >>> predictor = StatePredictor(read_bundle(find_bundle("states-linear")))  # doctest: +SKIP
    >>> panel = align_panel(symbols, predictor.genes, predictor.bundle.panel.weights)  # doctest: +SKIP
    >>> calls = predictor.predict(panel.gather(x), panel.present)  # doctest: +SKIP
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        device: Device = "auto",
        effector_memory_as: EffectorMemoryAs = "memory",
    ) -> None:
        self.bundle = bundle
        labels = bundle.states.labels  # a bundle of another task is refused here
        self._session = open_session(bundle.model_path, threads=threads, device=device)
        if set(self._session.input_names) != _INPUTS or not set(_OUTPUTS) <= set(self._session.output_names):
            raise BundleError(
                f"the model takes {', '.join(self._session.input_names)} and gives "
                f"{', '.join(self._session.output_names)}, which this version cannot use",
                where=bundle.model_path,
                mend="use a bundle made for this version of tcellflow",
            )
        self._effector_memory_as = effector_memory_as
        self._inside = _joint_cells_of_states(effector_memory_as)
        reported = labels.get("function_reported", _FUNCTIONS)
        self._unreported = np.array([function not in reported for function in _FUNCTIONS])

    @property
    def genes(self) -> NDArray[np.object_]:
        """Gene symbols in the order `predict` expects, shape (G,)."""
        return self.bundle.panel.symbols

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the model runs."""
        return self._session.device

    def predict(
        self, expression: NDArray[np.float32], present: NDArray[np.bool_] | None = None
    ) -> StateCalls:
        """Predict the states of cells.

        Parameters
        ----------
        expression
            log1p(counts per 10,000) of the panel's genes, shape (B, G), 0 to 9.21; B may be 0.
        present
            Which genes were measured, shape (G,); all if not given. The others count as average.

        Returns
        -------
        StateCalls
            One call per row.

        Raises
        ------
        InputError
            If the shape is wrong, or the numbers cannot be log1p(counts per 10,000).
        BundleError
            If the model's results have other sizes than the bundle declares.
        """
        n_genes = self.genes.size
        if expression.ndim != 2 or expression.shape[1] != n_genes:
            raise InputError(
                f"the expression has shape {expression.shape}; the bundle expects (cells, {n_genes})",
                where="expression",
                mend="take the panel's genes with align_panel(...).gather(...)",
            )
        mask = np.ones((1, n_genes), np.float32) if present is None else present.astype(np.float32)[None, :]
        starts = range(0, max(len(expression), 1), BATCH_CELLS)
        return join_calls([self._predict_batch(expression[s : s + BATCH_CELLS], mask) for s in starts])

    def _predict_batch(self, expression: NDArray[np.float32], mask: NDArray[np.float32]) -> StateCalls:
        n = len(expression)
        _check_expression(expression)
        batch = np.zeros((BATCH_CELLS, mask.shape[1]), np.float32)
        batch[:n] = expression
        out = self._session.run({"expression": batch, "present": mask})
        self._check_shapes(out)
        return self._decode({name: out[name][:n] for name in _OUTPUTS})

    def _check_shapes(self, out: dict[str, NDArray[np.float32]]) -> None:
        n_states, n_lineages, n_functions = len(_STATES), len(_LINEAGES), len(_FUNCTIONS)
        expected = {
            "state_probabilities": (BATCH_CELLS, n_states),
            "p_lineage": (BATCH_CELLS, n_lineages),
            "p_function": (BATCH_CELLS, n_functions),
            "p_cycling": (BATCH_CELLS, 1),
            "joint": (BATCH_CELLS, n_lineages, n_functions),
        }
        for name, shape in expected.items():
            if out[name].shape != shape:
                raise BundleError(
                    f"the model's output '{name}' has shape {out[name].shape} instead of {shape}",
                    where=self.bundle.model_path,
                    mend="use a bundle made for this version of tcellflow",
                )

    def _decode(self, out: dict[str, NDArray[np.float32]]) -> StateCalls:
        probabilities, joint, cycling = out["state_probabilities"], out["joint"], out["p_cycling"]
        if self._effector_memory_as == "effector":
            probabilities = _move_effector_memory(probabilities, joint, cycling)
        best = probabilities.argmax(axis=1)
        # The most probable joint cell among those that make up the predicted state.
        flat = joint.reshape(len(joint), self._inside.shape[1])
        inside = np.where(self._inside[best], flat, -1.0).argmax(axis=1)
        lineage, function = np.divmod(inside, len(_FUNCTIONS))
        is_cycling = best == _STATES.index(State.PROLIFERATING)
        p_function = np.where(self._unreported, np.float32(np.nan), out["p_function"])
        return StateCalls(
            predicted_state=_name(_STATES, best),
            lineage=_name(_LINEAGES, lineage),
            function=_name(_FUNCTIONS, function),
            cycle=_name((Cycle.RESTING, Cycle.CYCLING), is_cycling.astype(np.int64)),
            state_probabilities=probabilities,
            p_lineage=out["p_lineage"],
            p_function=p_function,
            p_cycling=cycling[:, 0],
            entropy=entropy_of(probabilities),
            latent=out["latent"],
        )


def _check_expression(expression: NDArray[np.float32]) -> None:
    if expression.size == 0:
        return
    low, high = float(expression.min()), float(expression.max())
    if not (low >= 0 and high <= MAX_EXPRESSION):  # NaN fails both
        raise InputError(
            f"the expression ranges from {low:.4g} to {high:.4g}, which cannot be log1p(counts per 10,000)",
            where="expression",
            mend="run tcellflow preprocess on the raw counts",
        )


def _name(names: tuple[str, ...], index: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.asarray(np.array([str(name) for name in names], dtype=object)[index])


def entropy_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the entropy of each row.

    Parameters
    ----------
    probabilities
        Shape (B, K), each row summing to 1.

    Returns
    -------
    ndarray
        Nats, shape (B,), float32, 0 to ln K.
    """
    p = probabilities.astype(np.float64)
    terms = np.where(p > 0, p * np.log(np.where(p > 0, p, 1.0)), 0.0)
    entropy = np.clip(-terms.sum(axis=1), 0.0, np.log(p.shape[1]))
    return np.asarray(entropy, dtype=np.float32)


def _state_of(lineage: Lineage, function: Function, effector_memory_as: EffectorMemoryAs) -> State | None:
    """Give the state of a resting joint cell; None for a structural zero."""
    if lineage is Lineage.TREG or function is Function.REGULATORY:
        return State.TREG if lineage is Lineage.TREG and function is Function.REGULATORY else None
    if function is Function.TH_EFFECTOR:
        return State.TH_EFFECTOR if lineage is Lineage.CD4 else None
    if function is Function.EFFECTOR_MEMORY and effector_memory_as == "effector":
        return State.EFFECTOR
    if function in _MEMORY:
        return State.MEMORY
    if function in _EXHAUSTED:
        return State.EXHAUSTED
    return State.NAIVE if function is Function.NAIVE else State.EFFECTOR


def _joint_cells_of_states(effector_memory_as: EffectorMemoryAs) -> NDArray[np.bool_]:
    """Mark the joint cells (lineage-major) that make up each state, shape (7, 54)."""
    inside = np.zeros((len(_STATES), len(_LINEAGES) * len(_FUNCTIONS)), dtype=bool)
    for i, lineage in enumerate(_LINEAGES):
        for j, function in enumerate(_FUNCTIONS):
            state = _state_of(lineage, function, effector_memory_as)
            if state is not None:
                cell = i * len(_FUNCTIONS) + j
                inside[_STATES.index(state), cell] = True
                inside[_STATES.index(State.PROLIFERATING), cell] = True  # any kind of cell can cycle
    return inside


def _move_effector_memory(
    probabilities: NDArray[np.float32], joint: NDArray[np.float32], cycling: NDArray[np.float32]
) -> NDArray[np.float32]:
    share = joint[:, :, _FUNCTIONS.index(Function.EFFECTOR_MEMORY)].sum(axis=1) * (1 - cycling[:, 0])
    moved = probabilities.copy()
    memory, effector = _STATES.index(State.MEMORY), _STATES.index(State.EFFECTOR)
    moved[:, memory] = np.maximum(moved[:, memory] - share, 0)
    moved[:, effector] += share
    return moved
