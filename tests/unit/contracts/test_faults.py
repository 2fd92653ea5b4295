"""Faults are told together, each with its place, and pydantic's words become ours."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tcellflow.contracts.faults import MAX_FAULTS, Fault, raise_faults, validate
from tcellflow.errors import BundleError, ContractError


def check_word(word: str) -> str:
    if word == "rude":
        message = "the word is rude"
        raise ValueError(message)
    if word == "long":
        message = "is too long"
        raise ValueError(message)
    return word


class Inner(BaseModel):
    """A part of the toy document."""

    share: Annotated[float, Field(strict=True, ge=0, le=1)]


class Toy(BaseModel):
    """A document of a few entries."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    n: Annotated[int, Field(strict=True)]
    word: Annotated[str, AfterValidator(check_word)] = ""
    size: float = 0
    parts: list[Inner] = []
    counts: dict[Annotated[str, Field(max_length=3)], int] = {}


def test_long_fault_lists_are_cut_with_a_count():
    """More than twenty faults are counted, not printed."""
    faults = [Fault(f"w{i}", f"p{i}", "m") for i in range(MAX_FAULTS + 5)]
    with pytest.raises(ContractError, match="and 5 more"):
        raise_faults(faults, stamp="toy/3", where="x")


def test_no_faults_raise_nothing():
    """An empty list of faults is silent."""
    raise_faults([], stamp="toy/3", where="x")


def test_the_kind_of_error_and_the_mend_are_the_callers():
    """A bundle's faults are bundle errors, mended as bundles are; one fault tells its own mend."""
    faults = [Fault("is odd", "here", "even it"), Fault("is odd", "there", "even it")]
    with pytest.raises(BundleError) as caught:
        raise_faults(faults, stamp="toy/3", where="x", mend="fetch it", error=BundleError)
    assert caught.value.mend == "fetch it"
    with pytest.raises(BundleError, match="here: is odd") as caught:
        raise_faults(faults[:1], stamp="toy/3", where="x", mend="fetch it", error=BundleError)
    assert caught.value.mend == "even it"


def test_a_whole_document_is_parsed():
    """Content that fits comes back as the model, without faults."""
    found, faults = validate({"n": 3, "parts": [{"share": 1}]}, Toy, mend="m")
    assert faults == []
    assert found is not None
    assert (found.n, found.parts[0].share) == (3, 1.0)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({}, "top level: 'n' is missing (m)"),
        ({"n": None}, "top level: 'n' is null instead of a whole number (m)"),
        ({"n": True}, "top level: 'n' is a bool instead of a whole number (m)"),
        ({"n": 1, "x": 2}, "top level: 'x' is unknown to this version (m)"),
        ({"n": 1, "parts": {}}, "top level: 'parts' is a dict instead of a list (m)"),
        ({"n": 1, "parts": ["a"]}, "parts: entry 0 is a str instead of an object (m)"),
        (
            {"n": 1, "parts": [{"share": 2}]},
            "parts[0]: 'share' is 2, but should be less than or equal to 1 (m)",
        ),
        (
            {"n": 1, "parts": [{"share": float("nan")}]},
            "parts[0]: 'share' is nan, but should be less than or equal to 1 (m)",
        ),
        ({"n": 1, "size": float("inf")}, "top level: 'size' is inf, but should be a finite number (m)"),
        ({"n": 1, "word": "rude"}, "word: the word is rude (m)"),
        ({"n": 1, "word": "long"}, "top level: 'word' is too long (m)"),
        (
            {"n": 1, "counts": {"long": 1}},
            "counts: 'long' is 'long', but should have at most 3 characters (m)",
        ),
        ([], "top level: the content is a list instead of an object (m)"),
    ],
    ids=str,
)
def test_each_fault_names_its_place(content, fault):
    """What is wrong, the object it stands in and the mend are told in one line."""
    found, faults = validate(content, Toy, mend="m")
    assert found is None
    assert [str(f) for f in faults] == [fault]
