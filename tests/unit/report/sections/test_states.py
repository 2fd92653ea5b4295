"""What predict found about the whole sample reaches the page, and nothing that it did not find."""

from __future__ import annotations

import pyarrow as pa

from step_outputs import make_step_frames, write_step_files
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.predictions import PREDICTIONS
from tcellflow.report.sections.states import CallSection, GenesOfState, summarise_calls
from tcellflow.steps.report import ReportOptions, report

FRAMES = make_step_frames(8)
FOUND = {
    "shift": {"ood": 0.254, "confidence": 0.1, "states": None, "score": 0.254, "dataset": "donors 1-9"},
    "prior_correction": {
        "applied": True,
        "refusal": None,
        "shares": {"Naive": 0.75, "Treg": 0.25, "Memory": 0.0},
    },
    "voted_states": {"Naive": 900, "Treg": 40, "Memory": 0},
    "n_clusters": 62,
    "frequent_genes": {"Treg": {"for": ["FOXP3", "<b>"], "against": ["CD8A"]}, "Naive": {"for": ["CCR7"]}},
}


def _summarise(**found: object) -> CallSection:
    table = pa.Table.from_pandas(FRAMES.predictions, PREDICTIONS.schema(), preserve_index=False)
    return summarise_calls(table, Metrics.model_validate({**FRAMES.metrics, **found}))


def test_all_that_was_found_is_told():
    """Distances, corrected shares and votes come with their numbers; what is null is left out."""
    assert _summarise(**FOUND).whole == (
        (
            "Distance from donors 1-9 (0 alike, 1 apart)",
            "how strange the cells are 0.25, how sure the calls are 0.10",
        ),
        (
            "Shares of the states, estimated; the calls are corrected by them",
            "Memory 0.0 %, Naive 75.0 %, Treg 25.0 %",
        ),
        ("States after a vote in 62 groups of similar cells", "Naive 900, Treg 40"),
    )


def test_nothing_found_tells_nothing():
    """Without metrics, with nulls, or with a correction that was refused there is no row."""
    nulls = dict.fromkeys(("ood", "confidence", "states", "score", "dataset"))
    refused = {"applied": False, "refusal": "too few", "shares": None}
    nothing = _summarise(shift=nulls, prior_correction=refused, frequent_genes={})
    assert nothing.whole == nothing.genes == ()
    assert _summarise(shift=nulls).genes == ()
    table = pa.Table.from_pandas(FRAMES.predictions, PREDICTIONS.schema(), preserve_index=False)
    assert summarise_calls(table).whole == summarise_calls(table).genes == ()


def test_genes_are_listed_in_the_order_of_the_states():
    """Each state with calls has its genes on both sides, also where one side is silent."""
    assert _summarise(**FOUND).genes == (
        GenesOfState("Naive", ("CCR7",), ()),
        GenesOfState("Treg", ("FOXP3", "<b>"), ("CD8A",)),
    )


def test_the_page_shows_them_escaped(tmp_path):
    """The page has a part for the whole sample and one for genes where there is something to show."""
    frames = make_step_frames(60)
    frames.metrics["shift"] = dict.fromkeys(("ood", "confidence", "states", "score", "dataset"))
    write_step_files(tmp_path, frames)
    report(ReportOptions(tmp_path, "donor1"))
    plain = (tmp_path / "donor1.report.html").read_text()
    assert "The sample as a whole" not in plain
    assert "Genes behind the calls" not in plain
    frames.metrics.update(FOUND)
    write_step_files(tmp_path, frames)
    report(ReportOptions(tmp_path, "donor1", force=True))
    page = (tmp_path / "donor1.report.html").read_text()
    assert "States after a vote in 62 groups" in page
    assert "FOXP3, &lt;b&gt;" in page
