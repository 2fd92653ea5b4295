"""The calls of many cells as parallel arrays, and how a states bundle's arrays become them.

Invariant: all arrays have one row per cell in the same order, each decoded by itself; lineage, function
and cycle are always those of the predicted state; what a bundle cannot tell is NaN in every row, never
a constant.

A network alone is decoded; with programmes and marker genes it is one voice of a decision.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.inference.states.confidence import measure_confidence
from tcellflow.states.axes import FUNCTIONS, LINEAGES, STATES, mark_joint_cells, weigh_states
from tcellflow.states.decision import decide
from tcellflow.vocabulary import Cycle, Function, Lineage, State, Unconventional

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from tcellflow.inference.states.marker_reader import MarkerEvidence
    from tcellflow.states.rule import EffectorBy
    from tcellflow.states.trust import Discord
    from tcellflow.states.unconventional import ReceptorFacts

    Arrays = dict[str, NDArray[np.float32]]


# Functions that programmes tell apart, whatever a network learnt.
_BY_PROGRAMME: Final = (
    Function.TH_EFFECTOR,
    Function.EXHAUSTED_PROGENITOR,
    Function.EXHAUSTED_TERMINAL,
)


@dataclass(frozen=True)
class StateCalls:
    """Calls of B cells.

    Parameters
    ----------
    predicted_state
        Most probable of the seven states, shape (B,), object (`State`).
    lineage, function, cycle
        Most probable combination inside `predicted_state`, shape (B,), object.
    confidence
        Share of right calls among calls like this one, as measured on labelled cells, 0-1, shape (B,),
        float32.
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
    agreement
        Share of the members whose most probable state is that of all together, shape (B,), float32;
        NaN for a single model.
    epistemic
        Disagreement of the members (mutual information, or its distilled estimate), nats, shape (B,),
        float32; NaN where the bundle has none.
    ood_score
        Percentile among the training cells, 0-1, shape (B,), float32; NaN where the bundle has none.
    helper
        Kind of help (`Helper`) of cells called Th_effector by programmes, None elsewhere, shape (B,), object.
    unconventional
        Kind of unconventional T cell (`Unconventional`) behind the lineage, None elsewhere and where a
        network alone decides, shape (B,), object.
    support
        Probability of `predicted_state` by the network and by the model of marker genes, shape (B, 2),
        float32; the same twice where a network alone decides.
    agrees
        Whether both call the same, shape (B,), bool.
    """

    predicted_state: NDArray[np.object_]
    lineage: NDArray[np.object_]
    function: NDArray[np.object_]
    cycle: NDArray[np.object_]
    confidence: NDArray[np.float32]
    state_probabilities: NDArray[np.float32]
    p_lineage: NDArray[np.float32]
    p_function: NDArray[np.float32]
    p_cycling: NDArray[np.float32]
    entropy: NDArray[np.float32]
    latent: NDArray[np.float32]
    agreement: NDArray[np.float32]
    epistemic: NDArray[np.float32]
    ood_score: NDArray[np.float32]
    helper: NDArray[np.object_]
    unconventional: NDArray[np.object_]
    support: NDArray[np.float32]
    agrees: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.predicted_state)

    def in_sample(self, discord: Discord) -> StateCalls:
        """Give the same calls with the confidence that they deserve in a sample of this discord."""
        states, support = (x.astype(np.float64) for x in (self.state_probabilities, self.support))
        return replace(self, confidence=measure_confidence(states, support, discord).astype(np.float32))

    @property
    def probability(self) -> NDArray[np.float32]:
        """Probability of `predicted_state`, shape (B,)."""
        return np.asarray(self.state_probabilities.max(axis=1, initial=0.0), dtype=np.float32)


def join_calls(parts: Sequence[StateCalls]) -> StateCalls:
    """Join the calls of consecutive cells; at least one part is needed, which may be empty."""
    return StateCalls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(StateCalls)))


def entropy_of(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the entropy of the probabilities of each call.

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


def measure_disagreement(
    members: NDArray[np.float32], probabilities: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Measure how far the members of an ensemble agree on each call.

    Parameters
    ----------
    members
        State probabilities of each member, shape (B, M, 7).
    probabilities
        Those of the ensemble, shape (B, 7).

    Returns
    -------
    agreement : ndarray
        Share of the members with the ensemble's most probable state, shape (B,), float32.
    epistemic : ndarray
        Mutual information of state and member (entropy of the mean less mean of the entropies), nats,
        shape (B,), float32, >= 0.
    """
    n, n_members, n_states = members.shape
    same = members.argmax(axis=2) == probabilities.argmax(axis=1)[:, None]
    whole = entropy_of(members.mean(axis=1, dtype=np.float64).astype(np.float32))
    single = entropy_of(members.reshape(n * n_members, n_states)).reshape(n, n_members)
    epistemic = np.maximum(whole - single.mean(axis=1, dtype=np.float64), 0.0)
    return same.mean(axis=1, dtype=np.float64).astype(np.float32), epistemic.astype(np.float32)


@dataclass(frozen=True)
class Decoder:
    """How one bundle's arrays are read.

    Parameters
    ----------
    reported
        Functions the bundle has classes for.
    ood_quantiles
        Values of ``ood_score`` at evenly spaced percentiles of the training cells; empty without one.
    weights
        Factor of each state's probability, shape (7,); None = all 1.
    """

    reported: tuple[str, ...]
    ood_quantiles: tuple[float, ...] = ()
    weights: NDArray[np.float64] | None = None

    def decode(self, out: Arrays) -> StateCalls:
        """Decode a batch by the network alone.

        Parameters
        ----------
        out
            Arrays of the model by name, B rows each: those every states model gives, and ``ood_score``,
            ``epistemic`` and ``member_states`` where it has them.

        Returns
        -------
        StateCalls
            One call per row.
        """
        agreement, epistemic = self._decode_disagreement(out)
        if self.weights is not None:
            out = weigh_states(out, self.weights)
        probabilities, joint, cycling = out["state_probabilities"], out["joint"], out["p_cycling"]
        best = probabilities.argmax(axis=1)
        # The most probable joint cell among those that make up the predicted state.
        cells = mark_joint_cells()
        flat = joint.reshape(len(joint), cells.shape[1])
        inside = np.where(cells[best], flat, -1.0).argmax(axis=1)
        lineage, function = np.divmod(inside, len(FUNCTIONS))
        nothing = np.full(len(joint), None, dtype=object)
        is_cycling = best == STATES.index(State.PROLIFERATING)
        return StateCalls(
            predicted_state=_name(STATES, best),
            lineage=_name(LINEAGES, lineage),
            function=_name(FUNCTIONS, function),
            cycle=_name((Cycle.RESTING, Cycle.CYCLING), is_cycling.astype(np.int64)),
            confidence=probabilities.max(axis=1, initial=0.0),
            state_probabilities=probabilities,
            p_lineage=out["p_lineage"],
            p_function=self._hide_unreported(out["p_function"], self.reported),
            p_cycling=cycling[:, 0],
            entropy=entropy_of(probabilities),
            latent=out["latent"],
            agreement=agreement,
            epistemic=epistemic,
            ood_score=self._decode_ood(out),
            helper=nothing,
            unconventional=nothing,
            support=np.repeat(probabilities.max(axis=1, initial=0.0)[:, None], 2, axis=1),
            agrees=np.ones(len(joint), dtype=bool),
        )

    def decide(
        self,
        out: Arrays,
        evidence: MarkerEvidence,
        receptors: ReceptorFacts | None,
        effector_by: EffectorBy,
    ) -> StateCalls:
        """Decide the calls of a batch by network, programmes, marker genes and receptors together.

        Parameters
        ----------
        out
            As in `decode`.
        evidence
            Of the same cells.
        receptors
            Of the same cells; None for a sample without.
        effector_by
            As in `tcellflow.states.decision.decide`.

        Returns
        -------
        StateCalls
            One call per row; agreement, disagreement, strangeness and latent are the network's.
        """
        agreement, epistemic = self._decode_disagreement(out)
        decision = decide(
            out["joint"].astype(np.float64),
            out["p_cycling"][:, 0].astype(np.float64),
            evidence.scores,
            evidence.markers,
            evidence.molecules,
            receptors=receptors,
            effector_by=effector_by,
        )
        states, joint = decision.ruled.states, decision.ruled.joint
        probabilities = states.astype(np.float32)
        return StateCalls(
            predicted_state=decision.state,
            lineage=decision.lineage,
            function=decision.function,
            cycle=decision.cycle,
            confidence=measure_confidence(states, decision.support).astype(np.float32),
            state_probabilities=probabilities,
            p_lineage=joint.sum(axis=2).astype(np.float32),
            p_function=self._hide_unreported(
                joint.sum(axis=1).astype(np.float32), {*self.reported, *_BY_PROGRAMME}
            ),
            p_cycling=probabilities[:, STATES.index(State.PROLIFERATING)],
            entropy=entropy_of(probabilities),
            latent=out["latent"],
            agreement=agreement,
            epistemic=epistemic,
            ood_score=self._decode_ood(out),
            helper=np.array([name or None for name in decision.helper], dtype=object),
            unconventional=_name_unconventional(decision.lineage, receptors),
            support=decision.support.astype(np.float32),
            agrees=decision.agrees,
        )

    @staticmethod
    def _hide_unreported(p_function: NDArray[np.float32], reported: Collection[str]) -> NDArray[np.float32]:
        is_hidden = np.array([function not in reported for function in FUNCTIONS])
        return np.where(is_hidden, np.float32(np.nan), p_function)

    def _decode_disagreement(self, out: Arrays) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        nothing = np.full(len(out["latent"]), np.nan, np.float32)
        agreement, epistemic = nothing, nothing
        if "member_states" in out:
            agreement, epistemic = measure_disagreement(out["member_states"], out["state_probabilities"])
        if "epistemic" in out:
            epistemic = np.maximum(out["epistemic"].reshape(len(nothing)), np.float32(0))
        return agreement, epistemic

    def _decode_ood(self, out: Arrays) -> NDArray[np.float32]:
        if "ood_score" not in out:
            return np.full(len(out["latent"]), np.nan, np.float32)
        shares = np.linspace(0.0, 1.0, len(self.ood_quantiles))
        return np.interp(out["ood_score"].reshape(-1), self.ood_quantiles, shares).astype(np.float32)


def _name_unconventional(
    lineage: NDArray[np.object_], receptors: ReceptorFacts | None
) -> NDArray[np.object_]:
    """Name the kind of cells of an unconventional lineage; without iNKT chains innate-like cells are MAIT."""
    kinds = np.full(len(lineage), None, dtype=object)
    kinds[lineage == Lineage.GAMMA_DELTA] = str(Unconventional.GAMMA_DELTA)
    is_innate = lineage == Lineage.INNATE_LIKE
    kinds[is_innate] = str(Unconventional.MAIT)
    if receptors is not None:
        kinds[is_innate & receptors.is_inkt] = str(Unconventional.INKT)
    return kinds


def _name(names: tuple[str, ...], index: NDArray[np.int64]) -> NDArray[np.object_]:
    return np.asarray(np.array([str(name) for name in names], dtype=object)[index])
