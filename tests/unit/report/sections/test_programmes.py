"""The picture of programmes tells every number as text and draws nothing that could not be measured."""

from __future__ import annotations

import re

from tcellflow.contracts.metrics import Metrics
from tcellflow.report.sections.programmes import draw_programmes, summarise_programmes
from tcellflow.vocabulary import Programme, State


def make_metrics(**values):
    """Metrics of 30 naive and 10 exhausted cells, of which only these programmes could be measured."""
    nothing = dict.fromkeys(map(str, Programme))
    of_states = {str(state): dict(nothing) for state in State}
    of_states["Naive"] |= values
    document = {
        "all": {**nothing, **values},
        "states": of_states,
        "measured": dict.fromkeys(map(str, Programme), 0.5),
    }
    counts = dict.fromkeys(map(str, State), 0) | {"Naive": 30, "Exhausted": 10}
    return Metrics.model_construct(
        predicted_states=counts,
        programmes=Metrics.model_fields["programmes"].annotation.__args__[0].model_validate(document),
        helpers={"th1": 0, "tfh": 2},
        unconventional={"MAIT": 4, "iNKT": 0},
    )


def test_the_picture_has_a_number_for_each_measured_mean():
    """One row per measurable programme, one column per state that occurs; null draws nothing."""
    section = summarise_programmes(make_metrics(naive_stemness=0.91, cytotoxic=0.04))
    assert section.states == (("Exhausted", 10), ("Naive", 30))
    assert section.programmes == ("naive_stemness", "cytotoxic")
    assert section.values == ((None, 0.91), (None, 0.04))
    assert section.kinds == (("Tfh", 2), ("MAIT", 4))
    drawn = str(draw_programmes(section))
    assert re.findall(r">(0\.\d\d)<", drawn) == ["0.91", "0.04"]
    assert drawn.count("<rect") == 2
    assert "<title" in drawn  # the page names its downloads by it
    assert "<desc" in drawn
    assert "naive stemness" in drawn


def test_files_without_programmes_have_no_picture():
    """Metrics of older versions tell none."""
    assert summarise_programmes(None) is None
    assert summarise_programmes(Metrics.model_construct(programmes=None)) is None
