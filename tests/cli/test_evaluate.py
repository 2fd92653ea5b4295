"""``tcellflow evaluate``: a bundle and labelled cells in, figures out."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from command_line import run_command
from state_bundles import write_states_bundle
from state_cohorts import MAP, write_cohort, write_manifest, write_three


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A states bundle that calls by one gene for each state."""
    return write_states_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """The manifest of three cohorts."""
    return write_three(tmp_path_factory.mktemp("cohorts"))


def evaluate(manifest, bundle, *more):
    return run_command("evaluate", "--manifest", manifest, "--bundle", bundle.folder, *more)


def test_figures_are_of_the_labelled_t_cells_of_each_cohort(cohorts, bundle):
    """A bundle that reads the genes behind the labels is mostly right; B cells are not asked."""
    done = evaluate(cohorts, bundle, "--json")
    assert done.code == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["contract"] == "evaluation/1"
    assert [found["cohort"] for found in document["cohorts"]] == ["set0", "set1", "set2"]
    for found in document["cohorts"]:
        assert found["calls"]["cells"] == sum(row["cells"] for row in found["states"]) < 90
        assert found["network"]["accuracy"][0] > 0.7
        assert {row["state"] for row in found["states"] if row["cells"]} == {
            "Memory", "Naive", "Proliferating", "Treg",
        }  # fmt: skip
        assert 0 <= found["reported"]["coverage"] <= 1


def test_the_text_and_the_files_say_the_same(cohorts, bundle, tmp_path):
    """One cohort on request; -o writes both forms, and neither is replaced unless that is asked for."""
    printed = evaluate(cohorts, bundle, "--cohort", "set1")
    assert "| set1 |" in printed.stdout
    assert "set0" not in printed.stdout
    done = evaluate(cohorts, bundle, "--cohort", "set1", "-o", tmp_path)
    assert (done.code, done.stdout) == (0, "")
    assert "wrote" in done.stderr
    assert (tmp_path / "evaluation.md").read_text() == printed.stdout
    document = json.loads((tmp_path / "evaluation.json").read_text())
    assert [found["cohort"] for found in document["cohorts"]] == ["set1"]
    assert evaluate(cohorts, bundle, "--cohort", "set1", "-o", tmp_path).code == 73


def test_cells_that_were_learnt_from_are_told(cohorts, tmp_path):
    """A cohort of the name of one that the bundle learnt from is no measurement, and says so."""
    bundle = write_states_bundle(tmp_path / "tiny", training=[{"name": "set0"}])
    done = evaluate(cohorts, bundle, "--cohort", "set0")
    assert "warning: tiny-states learnt from a cohort called set0" in done.stderr
    assert "this is no measurement" in done.stdout


@pytest.mark.parametrize(
    ("more", "code", "says"),
    [
        (("--cohort", "nobody"), 78, "no cohort is called nobody"),
        (("--target-risk", "0.0001"), 78, "risk of 0.0001"),
        (("--bundle", "absent"), 69, "absent"),
        (("--bundle", "receptors"), 69, "states"),
        (("--manifest", "absent.yaml"), 66, "absent.yaml"),
    ],
)
def test_what_cannot_be_judged_is_refused(cohorts, bundle, more, code, says):
    """The exit code is that of the mistake, and nothing is printed as a figure."""
    done = evaluate(cohorts, bundle, *more)
    assert (done.code, done.stdout) == (code, "")
    assert says in done.stderr


def test_cohorts_without_counts_or_usable_labels_are_refused(bundle, tmp_path):
    """Labels of no single state, and cohorts of receptors alone, are told."""
    labels = [{"column": "gate", "evidence": "gated", "map": {key: {"lineage": "CD4"} for key in MAP}}]
    open_labels = write_manifest(tmp_path, write_cohort(tmp_path, "open", 0, labels=labels))
    done = evaluate(open_labels, bundle)
    assert (done.code, done.stdout) == (66, "")
    assert "no T cell of open has a label" in done.stderr
    none = write_manifest(tmp_path, write_cohort(tmp_path, "none", 0, labels=[]))
    assert evaluate(none, bundle).code == 78
    done = evaluate(none, bundle, "--cohort", "none")
    assert (done.code, "has no counts, or no labels" in done.stderr) == (78, True)


def test_torch_is_not_needed(cohorts, bundle):
    """Where torch cannot be imported a bundle is judged all the same."""
    script = "import sys; sys.modules['torch'] = None; from tcellflow.cli.app import main; main()"
    words = ("evaluate", "--manifest", cohorts, "--bundle", bundle.folder, "--cohort", "set2", "--json")
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cohorts"][0]["cohort"] == "set2"
