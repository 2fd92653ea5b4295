"""Errors say what, where and how to mend, and each has its documented exit code."""

import pickle

import pytest

from tcellflow import errors
from tcellflow.errors import EXIT_CODE_MEANINGS, ExitCode, TcellflowError, follow_causes

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TcellflowError)
]


def test_every_exit_code_is_explained():
    """The reference page can list every exit code."""
    assert set(EXIT_CODE_MEANINGS) == set(ExitCode)


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not TcellflowError])
def test_kinds_have_distinct_documented_codes(kind):
    """No two kinds of error share an exit code."""
    assert kind.exit_code not in {ExitCode.OK, ExitCode.BUG}
    assert sum(other.exit_code == kind.exit_code for other in KINDS) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_crosses_process_borders(kind):
    """A pickled error keeps its three parts, so that worker processes can report it."""
    copy = pickle.loads(pickle.dumps(kind("what", where="here", mend="so")))
    assert type(copy) is kind
    assert (copy.what, copy.where, copy.mend) == ("what", "here", "so")


def test_the_printed_form_has_three_lines():
    """The text has what, at and mend."""
    text = str(errors.InputError("what", where="here", mend="so"))
    assert text.splitlines() == ["what", "  at:   here", "  mend: so"]


def test_causes_that_run_in_a_circle_are_followed_once():
    """Each error behind another is given once, even where the last one points at the first."""
    first, second, third = ValueError("1"), KeyError("2"), KeyboardInterrupt()
    first.__context__, second.__cause__, third.__context__ = second, third, first
    assert list(follow_causes(first)) == [first, second, third]
