"""What a states bundle says about the cells it learnt from, so that calls on other cells can be judged.

Invariant: every entry is optional and measured; what a bundle does not state is None, and nothing
stands in for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tcellflow.io.bundles.fields import FieldReader, is_sha256, is_share
from tcellflow.vocabulary import State

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARES_TOLERANCE = 1e-3  # shares are written with a few decimals


@dataclass(frozen=True)
class Reference:
    """The cells a bundle was fitted and calibrated on, in figures.

    Parameters
    ----------
    dataset
        Which cells.
    state_shares
        Share of each state that the probabilities are calibrated for; None if not stated.
    ood_quantiles
        Values of the model's ``ood_score`` at evenly spaced percentiles of the training cells; empty
        if not stated.
    confidence_quantiles
        The same for the confidence; empty if not stated.
    """

    dataset: str
    state_shares: Mapping[State, float] | None
    ood_quantiles: tuple[float, ...]
    confidence_quantiles: tuple[float, ...]


@dataclass(frozen=True)
class ConformalLevel:
    """A prediction set with a stated coverage.

    Parameters
    ----------
    coverage
        Share of calibration cells whose true state was in the set, 0-1.
    least_probability
        The set holds every state of at least this probability, 0-1.
    """

    coverage: float
    least_probability: float


@dataclass(frozen=True)
class ReceptorInput:
    """Which receptor vectors a model takes.

    Parameters
    ----------
    dimension
        Width of a chain's vector.
    encoder
        Backend or receptors bundle that makes them, as embed-tcr names it.
    encoder_sha256
        Digest of that bundle; None for an encoder without weights.
    """

    dimension: int
    encoder: str
    encoder_sha256: str | None


@dataclass(frozen=True)
class Reliability:
    """Everything optional that a states bundle states.

    Parameters
    ----------
    reference
        The cells behind it.
    ood_threshold
        Percentile of the training cells above which a call abstains, 0-1.
    conformal
        Prediction sets in rising order of coverage.
    receptor_input
        Receptor vectors its model takes.
    """

    reference: Reference | None
    ood_threshold: float | None
    conformal: tuple[ConformalLevel, ...]
    receptor_input: ReceptorInput | None


def parse_reliability(reader: FieldReader) -> Reliability:
    """Parse the optional entries of a states bundle.

    Parameters
    ----------
    reader
        Over ``bundle.json``; collects the faults.

    Returns
    -------
    Reliability
        The entries; None or empty where there is none, or a fault.
    """
    reliability = Reliability(
        reference=_parse_reference(reader),
        ood_threshold=_parse_ood_threshold(reader),
        conformal=_parse_conformal(reader),
        receptor_input=_parse_receptor_input(reader),
    )
    has_quantiles = reliability.reference is not None and reliability.reference.ood_quantiles
    reader.check(
        reliability.ood_threshold is None or bool(has_quantiles),
        "'ood' has a threshold, but 'reference' has no ood_quantiles to measure cells by",
    )
    return reliability


def _parse_reference(reader: FieldReader) -> Reference | None:
    if "reference" not in reader.document:
        return None
    found = reader.take("reference", dict, {})
    return Reference(
        dataset=str(found.get("dataset", "")),
        state_shares=_parse_shares(reader, found.get("state_shares")),
        ood_quantiles=_parse_quantiles(reader, found, "ood_quantiles"),
        confidence_quantiles=_parse_quantiles(reader, found, "confidence_quantiles"),
    )


def _parse_shares(reader: FieldReader, found: Any) -> dict[State, float] | None:
    if found is None:
        return None
    fits = isinstance(found, dict) and set(found) == set(State) and all(map(is_share, found.values()))
    if not fits or abs(sum(found.values()) - 1) > _SHARES_TOLERANCE:
        reader.check(False, "the state shares of 'reference' are not seven shares that sum to 1")
        return None
    return {state: float(found[state]) for state in State}


def _parse_quantiles(reader: FieldReader, found: Mapping[str, Any], key: str) -> tuple[float, ...]:
    values = found.get(key, [])
    is_rising = (
        isinstance(values, list)
        and len(values) != 1
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
        and all(low <= high for low, high in pairwise(values))
    )
    if not is_rising:
        reader.check(False, f"'{key}' of 'reference' is not two or more rising numbers")
        return ()
    return tuple(float(value) for value in values)


def _parse_ood_threshold(reader: FieldReader) -> float | None:
    if "ood" not in reader.document:
        return None
    threshold = reader.take("ood", dict, {}).get("threshold")
    reader.check(is_share(threshold), "'ood' has no threshold within 0 and 1")
    return float(threshold) if is_share(threshold) else None


def _parse_conformal(reader: FieldReader) -> tuple[ConformalLevel, ...]:
    if "conformal" not in reader.document:
        return ()
    entries = reader.take("conformal", list, [])
    keys = ("coverage", "least_probability")
    if not all(
        isinstance(entry, dict) and all(is_share(entry.get(key)) for key in keys) for entry in entries
    ):
        reader.check(False, "'conformal' lacks coverage or least_probability within 0 and 1")
        return ()
    levels = sorted((float(entry[keys[0]]), float(entry[keys[1]])) for entry in entries)
    return tuple(ConformalLevel(*level) for level in levels)


def _parse_receptor_input(reader: FieldReader) -> ReceptorInput | None:
    if "receptors" not in reader.document:
        return None
    found = reader.take("receptors", dict, {})
    dimension, encoder, digest = (found.get(key) for key in ("dimension", "encoder", "encoder_sha256"))
    reader.check(
        isinstance(dimension, int) and not isinstance(dimension, bool) and dimension > 0,
        "'receptors' has no dimension",
    )
    reader.check(isinstance(encoder, str) and bool(encoder), "'receptors' names no encoder")
    reader.check(digest is None or is_sha256(digest), "'receptors' has a wrong digest of its encoder")
    if not isinstance(dimension, int):
        return None
    return ReceptorInput(dimension, str(encoder), None if digest is None else str(digest))
