"""The states-linear model as an ONNX graph: 68 linear classifiers, then three axes, then seven states.

The graph is linear algebra throughout. Sums are products with 0/1 matrices: onnxruntime's ReduceSum
adds in another order for the last rows of a batch, so that a cell's result would depend on its
place. What each of the teacher's classes says about lineage, function and cycle is the table
`CLASSES`. A class without a function speaks about lineage only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tcellflow.vocabulary import Function as Fun
from tcellflow.vocabulary import Lineage as Lin
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINEAGES, FUNCTIONS, STATES = tuple(Lin), tuple(Fun), tuple(State)
N_CELLS_OF_JOINT = len(LINEAGES) * len(FUNCTIONS)
MEMORY = (Fun.CENTRAL_MEMORY, Fun.EFFECTOR_MEMORY, Fun.RESIDENT_MEMORY)
# The teacher's exhausted classes are marked by HAVCR2, ENTPD1, LAYN and CXCL13 (late exhaustion) and it
# has no class for progenitors: all exhaustion stands under exhausted_terminal, progenitor is not reported.
EXHAUSTED = Fun.EXHAUSTED_TERMINAL
NOT_REPORTED = (Fun.EXHAUSTED_PROGENITOR,)
# A conditional distribution needs some mass: below this the functions of a lineage count as equal.
EPSILON = 1e-6
CLIP = 10.0  # the teacher clips standardised values from above
OPSET, IR_VERSION = 17, 9  # read by every onnxruntime since 1.14


@dataclass(frozen=True)
class TeacherClass:
    """What one class of the teacher says about the axes; None where it is silent."""

    lineage: Lin | None
    function: Fun | None = None
    is_cycling: bool = False
    is_regulating: bool = False  # regulatory or memory: {Treg regulatory, CD4 memory}


def _classes() -> dict[str, TeacherClass]:
    table: dict[str, TeacherClass] = {}

    def add(lineage: Lin | None, function: Fun | None, *names: str, cycling: bool = False) -> None:
        for name in names:
            table[name] = TeacherClass(lineage, function, cycling)

    add(Lin.CD4, Fun.NAIVE, "CD4 Tn", "CD4 Tn activated", "CD4 Tn adhesion", "CD4 Tn IFN-response")
    add(Lin.CD4, Fun.NAIVE, "CD4 Tisg naive-like", "CD4 Tstr naive-like")
    add(Lin.CD8, Fun.NAIVE, "CD8 Tn", "CD8 Tn IFN-response", "CD8 Tn quiescence")
    add(Lin.CD4, Fun.CENTRAL_MEMORY, "CD4 Tcm")
    add(Lin.CD8, Fun.CENTRAL_MEMORY, "CD8 Tcm", "CD8 Tcm IFN-response")
    add(Lin.CD4, Fun.EFFECTOR_MEMORY, "CD4 Tem")
    add(Lin.CD8, Fun.EFFECTOR_MEMORY, "CD8 Tem")
    add(Lin.CD4, Fun.RESIDENT_MEMORY, "CD4 Trm", "CD4 Trm IFN-response", "CD4 Trm cell-death")
    add(Lin.CD4, Fun.RESIDENT_MEMORY, "CD4 Trm naive-like")
    add(Lin.CD8, Fun.RESIDENT_MEMORY, "CD8 Trm", "CD8 Trm naive-like")
    add(Lin.CD4, Fun.EFFECTOR, "CD4 Tc", "CD4 Temra", "CD4 Tem cytotoxicity", "CD4 Tisg cytotoxicity")
    add(Lin.CD4, Fun.EFFECTOR, "CD4 Tstr cytotoxicity", "CD4 Trm cytotoxicity")
    add(Lin.CD8, Fun.EFFECTOR, "CD8 Tc", "CD8 Tc stress-response", "CD8 Temra", "CD8 NKT-like")
    add(Lin.CD4, Fun.TH_EFFECTOR, "CD4 Tfh", "CD4 Th1", "CD4 Th17")
    add(Lin.CD4, EXHAUSTED, "CD4 Tex", "CD4 Trm exhaustion")
    add(Lin.CD8, EXHAUSTED, "CD8 Tex", "CD8 Trm exhaustion")
    add(Lin.TREG, Fun.REGULATORY, "CD4 Treg", "CD4 Treg IFN-response", "CD4 Treg activated")
    add(Lin.TREG, Fun.REGULATORY, "CD4 Treg cytotoxicity", "CD4 Treg naive-like", "CD4 Treg stress-response")
    add(Lin.CD4, None, "CD4 proliferation", "CD4 Tstr proliferation", cycling=True)
    add(Lin.CD4, Fun.EFFECTOR, "CD4 Tc proliferation", cycling=True)
    add(Lin.CD8, None, "CD8 proliferation", cycling=True)
    add(Lin.CD4, None, "CD4 Tisg", "CD4 Tisg activated", "CD4 Tisg cell-death", "CD4 Tstr")
    add(Lin.CD4, None, "CD4 Tstr IFN-response", "CD4 activated")
    add(Lin.CD8, None, "CD8 Trm anergy", "CD8 Tstr", "CD8 quiescence", "CD8 senescence")
    add(Lin.CD8, None, "CD8 NKT-like naive-like", "other CD8 T")
    add(Lin.INNATE_LIKE, None, "MAIT", "NKT")
    add(Lin.GAMMA_DELTA, None, "Tgd")
    add(Lin.UNRESOLVED, None, "Double Negative", "Double Positive")
    for name in ("CD4 Tisg regulating", "CD4 Tn regulating", "CD4 Trm regulating", "CD4 Tstr regulating"):
        table[name] = TeacherClass(None, is_regulating=True)
    return table


CLASSES = _classes()


@dataclass(frozen=True)
class LinearWeights:
    """The teacher's classifier on the genes that were kept.

    Parameters
    ----------
    classes
        Class names, K.
    genes
        Gene symbols, G.
    coef
        Shape (K, G), float32.
    intercept
        Shape (K,), float32.
    mean, scale
        Standardisation of log1p(counts per 10,000), shape (G,), float32; scale > 0.
    """

    classes: tuple[str, ...]
    genes: tuple[str, ...]
    coef: NDArray[np.float32]
    intercept: NDArray[np.float32]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]


def _cell(lineage: Lin, function: Fun) -> int:
    return LINEAGES.index(lineage) * len(FUNCTIONS) + FUNCTIONS.index(function)


def is_allowed(lineage: Lin, function: Fun) -> bool:
    """Say whether a joint cell is not a structural zero of this model."""
    if function in NOT_REPORTED:
        return False
    if (lineage is Lin.TREG) != (function is Fun.REGULATORY):
        return False
    return function is not Fun.TH_EFFECTOR or lineage is Lin.CD4


def state_of(lineage: Lin, function: Fun) -> State:
    """Give the state that a resting cell of one joint cell belongs to."""
    if lineage is Lin.TREG:
        return State.TREG
    if function in MEMORY:
        return State.MEMORY
    return {
        Fun.NAIVE: State.NAIVE,
        Fun.EFFECTOR: State.EFFECTOR,
        Fun.TH_EFFECTOR: State.TH_EFFECTOR,
        EXHAUSTED: State.EXHAUSTED,
    }[function]


def constant_matrices(classes: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    """Write the class table as matrices; 54 = 6 lineages x 9 functions, lineage-major."""
    n_lineages, n_joint = len(LINEAGES), N_CELLS_OF_JOINT
    lineage_of = np.zeros((len(classes), n_lineages), np.float32)
    known_of = np.zeros((len(classes), n_joint), np.float32)
    regulating_of = np.zeros((len(classes), 1), np.float32)
    cycling_of = np.zeros((len(classes), 1), np.float32)
    for row, name in enumerate(classes):
        entry = CLASSES[name]
        regulating_of[row] = entry.is_regulating
        cycling_of[row] = entry.is_cycling
        if entry.lineage is not None:
            lineage_of[row, LINEAGES.index(entry.lineage)] = 1
            if entry.function is not None:
                known_of[row, _cell(entry.lineage, entry.function)] = 1
    # {regulatory, memory}: the joint cells a "regulating" class may stand for
    options = [_cell(Lin.TREG, Fun.REGULATORY), *(_cell(Lin.CD4, function) for function in MEMORY)]
    option_of = np.zeros((n_joint, len(options)), np.float32)
    option_of[options, range(len(options))] = 1
    to_lineage = np.zeros((n_joint, n_lineages), np.float32)
    to_lineage[range(n_joint), [cell // len(FUNCTIONS) for cell in range(n_joint)]] = 1
    to_function = np.zeros((n_joint, len(FUNCTIONS)), np.float32)
    to_function[range(n_joint), [cell % len(FUNCTIONS) for cell in range(n_joint)]] = 1
    return {
        "lineage_of": lineage_of,
        "known_of": known_of,
        "regulating_of": regulating_of,
        "cycling_of": cycling_of,
        "option_of": option_of,
        "option_back": np.ascontiguousarray(option_of.T),
        "to_lineage": to_lineage,
        "to_function": to_function,
        **_function_matrices(),
    }


def _function_matrices() -> dict[str, NDArray[np.float32]]:
    """Borrowed functions, the flat prior, and the collapse to states."""
    borrow = np.zeros((N_CELLS_OF_JOINT, N_CELLS_OF_JOINT), np.float32)
    prior = np.zeros((len(LINEAGES), len(FUNCTIONS)), np.float32)
    collapse = np.zeros((N_CELLS_OF_JOINT, len(STATES)), np.float32)
    for i, lineage in enumerate(LINEAGES):
        for j, function in enumerate(FUNCTIONS):
            if not is_allowed(lineage, function):
                continue
            prior[i, j] = 1
            collapse[_cell(lineage, function), STATES.index(state_of(lineage, function))] = 1
            # gamma-delta, innate-like and unresolved cells have no class with a function: theirs is
            # the function that the same cell's CD4 and CD8 classes speak for (function | x does not
            # depend on lineage, the weakest assumption that uses the cell's own expression).
            sources = [lineage] if lineage in {Lin.CD4, Lin.CD8, Lin.TREG} else [Lin.CD4, Lin.CD8]
            for source in sources:
                borrow[_cell(source, function), _cell(lineage, function)] = 1
    prior *= np.float32(EPSILON) / prior.sum(axis=1, keepdims=True)
    return {"borrow": borrow, "prior": prior, "collapse": collapse}


def build_model(weights: LinearWeights, temperature: float) -> onnx.ModelProto:
    """Build the ONNX model.

    Inputs ``expression`` (B, G) and ``present`` (1 or B, G); outputs ``state_probabilities`` (B, 7),
    ``p_lineage`` (B, 6), ``p_function`` (B, 9), ``p_cycling`` (B, 1), ``joint`` (B, 6, 9) and ``latent``
    (B, 68), the teacher's decision values.
    """
    constants: dict[str, NDArray] = {
        **constant_matrices(weights.classes),
        "mean": weights.mean,
        "scale": weights.scale,
        "clip": np.float32(CLIP),
        "coef": np.ascontiguousarray(weights.coef.T),
        "intercept": weights.intercept,
        "temperature": np.float32(temperature),
        "epsilon": np.float32(EPSILON),
        "one": np.float32(1),
        "grid": np.array([-1, len(LINEAGES), len(FUNCTIONS)], np.int64),
        "flat": np.array([-1, N_CELLS_OF_JOINT], np.int64),
        "last": np.array([2], np.int64),
        "ones": np.ones((len(MEMORY) + 1, 1), np.float32),
        "to_proliferating": (np.array(STATES) == State.PROLIFERATING).astype(np.float32)[None, :],
    }
    n_genes, n_classes = len(weights.genes), len(weights.classes)
    graph = helper.make_graph(
        _nodes(),
        "states-linear",
        [_value("expression", "B", n_genes), _value("present", "M", n_genes)],
        [
            _value("state_probabilities", "B", len(STATES)),
            _value("p_lineage", "B", len(LINEAGES)),
            _value("p_function", "B", len(FUNCTIONS)),
            _value("p_cycling", "B", 1),
            _value("joint", "B", len(LINEAGES), len(FUNCTIONS)),
            _value("latent", "B", n_classes),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="tcellflow",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _value(name: str, *axes: str | int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)


def _nodes() -> list[onnx.NodeProto]:
    node = helper.make_node
    return [
        node("Sub", ["expression", "mean"], ["centred"]),
        node("Div", ["centred", "scale"], ["scaled"]),
        node("Min", ["scaled", "clip"], ["clipped"]),
        node("Mul", ["clipped", "present"], ["standardised"]),
        node("Gemm", ["standardised", "coef", "intercept"], ["latent"]),
        node("Div", ["latent", "temperature"], ["logits"]),
        node("Softmax", ["logits"], ["classes"], axis=1),
        # {regulatory, memory} classes: shared over what the cell's other classes say of these four
        node("MatMul", ["classes", "known_of"], ["known"]),
        node("MatMul", ["known", "option_of"], ["options_raw"]),
        node("Add", ["options_raw", "epsilon"], ["options"]),
        node("MatMul", ["options", "ones"], ["options_sum"]),
        node("Div", ["options", "options_sum"], ["options_share"]),
        node("MatMul", ["classes", "regulating_of"], ["regulating"]),
        node("Mul", ["options_share", "regulating"], ["options_mass"]),
        node("MatMul", ["options_mass", "option_back"], ["known_extra"]),
        node("Add", ["known", "known_extra"], ["known_all"]),
        # lineage: direct mass and the share of the regulating classes
        node("MatMul", ["classes", "lineage_of"], ["lineage_direct"]),
        node("MatMul", ["known_extra", "to_lineage"], ["lineage_extra"]),
        node("Add", ["lineage_direct", "lineage_extra"], ["p_lineage"]),
        # function given lineage; silent classes follow the speaking ones of their lineage
        node("MatMul", ["known_all", "borrow"], ["borrowed"]),
        node("Reshape", ["borrowed", "grid"], ["borrowed_grid"]),
        node("Add", ["borrowed_grid", "prior"], ["weighted"]),
        node("Reshape", ["weighted", "flat"], ["weighted_flat"]),
        node("MatMul", ["weighted_flat", "to_lineage"], ["weighted_sums"]),
        node("Unsqueeze", ["weighted_sums", "last"], ["weighted_sum"]),
        node("Div", ["weighted", "weighted_sum"], ["function_given_lineage"]),
        node("Unsqueeze", ["p_lineage", "last"], ["lineage_column"]),
        node("Mul", ["function_given_lineage", "lineage_column"], ["joint"]),
        node("Reshape", ["joint", "flat"], ["joint_flat"]),
        node("MatMul", ["joint_flat", "to_function"], ["p_function"]),
        # seven states
        node("MatMul", ["classes", "cycling_of"], ["p_cycling"]),
        node("Sub", ["one", "p_cycling"], ["p_resting"]),
        node("MatMul", ["joint_flat", "collapse"], ["resting_states"]),
        node("Mul", ["resting_states", "p_resting"], ["states_resting"]),
        node("MatMul", ["p_cycling", "to_proliferating"], ["states_cycling"]),
        node("Add", ["states_resting", "states_cycling"], ["state_probabilities"]),
    ]
