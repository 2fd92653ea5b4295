"""The run of one sample: which steps run, which are kept, and what is refused beforehand."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import anndata as ad
import pandas as pd
import pyarrow.parquet as pq
import pytest
import scanpy as sc

from state_bundles import RECEPTORS_ENTRY, make_states_model, write_states_bundle
from tcellflow import pipeline
from tcellflow.errors import BundleError, InputError, OptionsError, OutputError
from tcellflow.io.outputs.run_record import DigestCache, RunRecord
from tcellflow.pipeline import RunOptions, run_sample, use_demo
from tcellflow.pipeline.plan import plan_steps
from tcellflow.provenance import digest_file
from tcellflow.steps.predict import CallOptions
from tcellflow.steps.preprocess import PreprocessOptions
from tcellflow.vocabulary import STEPS

DEMO = Path(str(files("tcellflow"))) / "data" / "samples" / "trex_pt17_trimodal"
GEX, TCR = DEMO / "sample_filtered_feature_bc_matrix.h5", DEMO / "filtered_contig_annotations.csv"


def make_options(folder, *, steps=None, force=False, threads=None, **inputs):
    """Make options of a run on files of the packaged sample."""
    chosen = PreprocessOptions(output=folder, prefix="s", donor="d1", **inputs)
    return RunOptions(preprocess=chosen, steps=steps, force=force, threads=threads)


def contents(folder):
    """Give names and bytes of all files."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def ran(caplog):
    """Give what the log says of each step since the last question: done, kept or left out."""
    steps = {}
    for record in caplog.records:
        name, _, rest = record.getMessage().partition(": ")
        if name in STEPS:
            steps[name] = rest.split(" in ")[0].split(",")[0]
    caplog.clear()
    return steps


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """Run all steps once on expression and receptors."""
    folder = tmp_path_factory.mktemp("whole")
    run_sample(make_options(folder, gex=GEX, tcr=(TCR,)))
    return folder


@pytest.fixture
def done(whole_run, tmp_path):
    """Give a copy of the finished run."""
    return Path(shutil.copytree(whole_run, tmp_path / "done"))


@pytest.fixture(autouse=True)
def info(caplog):
    """Record the log of the package from INFO on."""
    caplog.set_level("INFO", "tcellflow")


def test_all_steps_write_their_files(whole_run):
    """A run on expression and receptors leaves every output of every step, and the record."""
    assert set(contents(whole_run)) == {
        "s.annotated.h5ad",
        "s.chains.parquet",
        "s.claims.parquet",
        "s.clonotypes.parquet",
        "s.descriptions.jsonl",
        "s.descriptions.md",
        "s.descriptions.parquet",
        "s.embed.json",
        "s.embeddings.parquet",
        "s.fuse.json",
        "s.fused.parquet",
        "s.general_mqc.json",
        "s.metrics.json",
        "s.predictions.csv",
        "s.predictions.parquet",
        "s.programmes.parquet",
        "s.qc.json",
        "s.receptors.parquet",
        "s.report.html",
        "s.run.json",
        "s.states_mqc.json",
        "s_mqc.json",
    }


def test_the_record_names_every_output(whole_run):
    """Every file but the record itself stands in the record with its step."""
    record = json.loads((whole_run / "s.run.json").read_text())
    assert list(record["steps"]) == sorted(STEPS)
    named = {name for step in record["steps"].values() for name in step["outputs"]}
    assert named == set(contents(whole_run)) - {"s.run.json"} | {"s.cells.h5ad"}
    assert record["steps"]["preprocess"]["contained"] == {"s.cells.h5ad": "s.annotated.h5ad"}


def test_a_second_run_keeps_everything(done, caplog):
    """Without any change no step runs, and not a byte changes; threads and device are no change."""
    before = contents(done)
    outputs = run_sample(make_options(done, gex=GEX, tcr=(TCR,), threads=1))
    assert ran(caplog) == dict.fromkeys(STEPS, "kept")
    assert contents(done) == before
    assert {path.name for path in outputs} == set(before) - {"s.run.json"}


def test_a_run_elsewhere_gives_the_same_bytes(whole_run, tmp_path):
    """Folder and time leave no trace in any file, the record included."""
    run_sample(make_options(tmp_path / "x", gex=GEX, tcr=(TCR,)))
    assert contents(tmp_path / "x") == contents(whole_run)


def test_a_lost_output_is_made_again(done, caplog):
    """Only the step whose output is gone runs; what it writes equals the old, so later steps are kept."""
    options = replace(make_options(done, gex=GEX, tcr=(TCR,)), keep_cells=True)
    run_sample(options)
    before = contents(done)
    (done / "s.receptors.parquet").unlink()
    ran(caplog)
    run_sample(options)
    assert ran(caplog) == {**dict.fromkeys(STEPS, "kept"), "embed-tcr": "done"}
    assert contents(done) == before


@pytest.mark.parametrize("lost", ["s.receptors.parquet", "s.annotated.h5ad"])
def test_the_cells_file_is_made_again_where_a_later_step_needs_it(done, caplog, lost):
    """Once given up for the annotated file, the cells file comes back for the step, and goes again."""
    before = contents(done)
    (done / lost).unlink()
    run_sample(make_options(done, gex=GEX, tcr=(TCR,)))
    assert ran(caplog)["preprocess"] == "done"
    assert contents(done) == before


def test_a_report_needs_no_cells_file(done, caplog):
    """Where the report alone is lost, the cells file is not made again for it."""
    before = contents(done)
    (done / "s.report.html").unlink()
    run_sample(make_options(done, gex=GEX, tcr=(TCR,)))
    assert ran(caplog) == {**dict.fromkeys(STEPS, "kept"), "report": "done"}
    assert contents(done) == before


def test_the_cells_file_is_kept_when_asked_for(done, whole_run, caplog):
    """--keep-cells makes it, leaves all else as it is, and a run without the option removes it again."""
    options = make_options(done, gex=GEX, tcr=(TCR,))
    outputs = run_sample(replace(options, keep_cells=True))
    assert ran(caplog) == {**dict.fromkeys(STEPS, "kept"), "preprocess": "done"}
    assert done / "s.cells.h5ad" in outputs
    cells, annotated = (ad.read_h5ad(done / f"s.{name}.h5ad") for name in ("cells", "annotated"))
    for left, right in ((cells.X, annotated.X), (cells.layers["counts"], annotated.layers["counts"])):
        assert (left != right).nnz == 0
    pd.testing.assert_frame_equal(annotated.obs[list(cells.obs)], cells.obs)
    assert (
        digest_file(done / "s.cells.h5ad")
        == (json.loads((done / "s.run.json").read_text())["steps"]["preprocess"]["outputs"]["s.cells.h5ad"])
    )
    outputs = run_sample(options)
    assert ran(caplog) == dict.fromkeys(STEPS, "kept")
    assert done / "s.cells.h5ad" not in outputs
    assert contents(done) == contents(whole_run)


def test_an_edited_annotated_file_does_not_stand_for_the_cells(done, whole_run, caplog):
    """What somebody changed holds the cells no longer: all that is needed is made anew."""
    with (done / "s.annotated.h5ad").open("ab") as file:
        file.write(b"x")
    run_sample(make_options(done, gex=GEX, tcr=(TCR,)))
    assert ran(caplog)["preprocess"] == "done"
    assert contents(done) == contents(whole_run)


@pytest.mark.parametrize("step", ["embed-tcr", "predict"])
def test_a_later_step_alone_takes_the_cells_from_the_annotated_file(done, whole_run, caplog, step):
    """--steps without preprocess works where the cells file was given up; a whole run mends the rest."""
    options = make_options(done, steps=(step,))
    changed = replace(
        options,
        predict=replace(options.predict, calls=CallOptions(target_risk=0.3)),
        embed_tcr=replace(options.embed_tcr, neighbours=2),
    )
    run_sample(changed)
    assert ran(caplog) == {step: "done"}
    run_sample(make_options(done, gex=GEX, tcr=(TCR,)))
    assert contents(done) == contents(whole_run)


def test_an_edited_annotated_file_is_no_input_of_a_later_step(done):
    """Cells that somebody changed are not predicted as if preprocess had checked them."""
    with (done / "s.annotated.h5ad").open("ab") as file:
        file.write(b"x")
    with pytest.raises(OptionsError, match=r"predict needs s\.cells\.h5ad"):
        run_sample(make_options(done, steps=("predict",)))


def test_chosen_steps_remove_no_cells_file(done):
    """Only a run of all steps gives the cells file up."""
    run_sample(replace(make_options(done, gex=GEX, tcr=(TCR,)), keep_cells=True))
    options = make_options(done, steps=("predict",))
    run_sample(replace(options, predict=replace(options.predict, calls=CallOptions(target_risk=0.3))))
    assert (done / "s.cells.h5ad").is_file()


def test_a_damaged_record_gives_nothing_up(done):
    """A file that changed since its step wrote it is not ours to remove."""
    options = replace(make_options(done, gex=GEX, tcr=(TCR,)), keep_cells=True)
    run_sample(options)
    record = RunRecord(done, "s", DigestCache())
    (done / "s.cells.h5ad").write_bytes(b"somebody's own")
    record.give_up("preprocess", "s.cells.h5ad", "s.annotated.h5ad")
    assert (done / "s.cells.h5ad").read_bytes() == b"somebody's own"


def test_an_edited_output_is_made_again(done, caplog):
    """An output that was changed by hand is replaced, without --force, for the run knows it."""
    before = contents(done)
    (done / "s.predictions.csv").write_text("edited")
    run_sample(make_options(done, gex=GEX, tcr=(TCR,)))
    assert ran(caplog)["predict"] == "done"
    assert contents(done) == before


def test_a_changed_option_runs_its_step_and_what_follows(done, caplog):
    """Another target risk changes predict and what follows, not the steps before."""
    options = replace(make_options(done, gex=GEX, tcr=(TCR,)), keep_cells=True)
    run_sample(options)
    ran(caplog)
    run_sample(replace(options, predict=replace(options.predict, calls=CallOptions(target_risk=0.3))))
    assert ran(caplog) == {
        **dict.fromkeys(STEPS, "done"),
        "preprocess": "kept",
        "embed-tcr": "kept",
        "fuse": "kept",
    }


def test_a_changed_input_runs_all_that_depends_on_it(done, caplog, tmp_path):
    """Fewer receptors change every step that sees them; as other inputs they need --force."""
    lines = TCR.read_text().splitlines(keepends=True)
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("".join(lines[: len(lines) // 2]))
    before = contents(done)
    with pytest.raises(OutputError, match=r"other inputs \(tcr\)"):
        run_sample(make_options(done, gex=GEX, tcr=(fewer,)))
    assert contents(done) == before
    run_sample(make_options(done, gex=GEX, tcr=(fewer,), force=True))
    assert ran(caplog) == dict.fromkeys(STEPS, "done")
    assert set(contents(done)) == set(before)


def test_force_runs_everything_again(done, caplog):
    """With --force nothing is kept, and the files are the same."""
    before = contents(done)
    run_sample(make_options(done, gex=GEX, tcr=(TCR,), force=True))
    assert ran(caplog) == dict.fromkeys(STEPS, "done")
    assert contents(done) == before


def test_without_receptors_their_step_is_left_out(done, caplog):
    """A run without --tcr leaves embed-tcr out and removes the tables that an earlier run made."""
    run_sample(make_options(done, gex=GEX, force=True))
    assert "embed-tcr: left out, no receptors were given (--tcr)" in caplog.messages
    names = set(contents(done))
    assert not names & {"s.chains.parquet", "s.receptors.parquet", "s.embeddings.parquet", "s.embed.json"}
    assert {"s.predictions.parquet", "s.report.html"} <= names
    assert set(json.loads((done / "s.run.json").read_text())["steps"]) == {*STEPS} - {"embed-tcr"}


def test_without_expression_predict_is_left_out(tmp_path, caplog):
    """A run on receptors alone gives chains, vectors and a report."""
    run_sample(make_options(tmp_path / "o", tcr=(TCR,)))
    assert ran(caplog) == {
        "preprocess": "done",
        "embed-tcr": "done",
        "fuse": "left out",
        "predict": "left out",
        "describe": "left out",
        "report": "done",
    }
    assert (tmp_path / "o" / "s.report.html").exists()
    assert not (tmp_path / "o" / "s.cells.h5ad").exists()


def test_chosen_steps_take_the_files_of_an_earlier_run(done, caplog):
    """--steps runs these alone, without any input given, on what lies in the folder."""
    for name in ("s.report.html", "s.predictions.parquet"):
        (done / name).unlink()
    run_sample(make_options(done, steps=("report", "predict")))
    assert ran(caplog) == {"predict": "done", "report": "done"}
    assert (done / "s.receptors.parquet").exists()


def test_chosen_steps_without_their_input_are_refused(tmp_path):
    """The error names the missing file and the step that makes it, and nothing is left behind."""
    for step, missing in (
        ("embed-tcr", "s.chains.parquet"),
        ("predict", "s.cells.h5ad"),
        ("report", "s.qc.json"),
    ):
        with pytest.raises(OptionsError, match=missing) as caught:
            run_sample(make_options(tmp_path / "o", steps=(step,)))
        assert "preprocess" in caught.value.mend
    with pytest.raises(OptionsError, match=r"s\.chains\.parquet"):
        run_sample(make_options(tmp_path / "o", steps=("preprocess", "embed-tcr"), gex=GEX))
    assert not (tmp_path / "o").exists()


def test_files_of_others_stop_the_run_before_any_work(tmp_path):
    """A file that no run recorded is not replaced, and nothing is computed before that is said."""
    folder = tmp_path / "o"
    folder.mkdir()
    (folder / "s.report.html").write_text("mine")
    with pytest.raises(OutputError, match="no earlier run") as caught:
        run_sample(make_options(folder, tcr=(TCR,)))
    assert caught.value.where.endswith("s.report.html")
    assert contents(folder) == {"s.report.html": b"mine"}
    run_sample(make_options(folder, tcr=(TCR,), force=True))
    assert contents(folder)["s.report.html"] != b"mine"


def test_a_failing_first_step_leaves_nothing(tmp_path):
    """An input that cannot be read ends the run without a folder, record or half-written file."""
    broken = tmp_path / "broken.h5"
    broken.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(InputError):
        run_sample(make_options(tmp_path / "o", gex=broken))
    assert not (tmp_path / "o").exists()


def test_a_failing_later_step_keeps_what_was_done(tmp_path, monkeypatch, caplog):
    """After a failure the finished steps are kept by the next run."""

    def fail(_options, *, progress):
        raise InputError("no", where="here", mend="so")

    monkeypatch.setattr("tcellflow.pipeline.plan.embed_tcr", fail)
    with pytest.raises(InputError):
        run_sample(make_options(tmp_path / "o", tcr=(TCR,)))
    monkeypatch.undo()
    caplog.set_level("INFO", "tcellflow")
    ran(caplog)
    run_sample(make_options(tmp_path / "o", tcr=(TCR,)))
    assert ran(caplog)["preprocess"] == "kept"
    assert (tmp_path / "o" / "s.receptors.parquet").exists()


def test_another_sample_is_refused_and_the_first_stays(done):
    """Files of another sample under the same prefix change nothing without --force."""
    before = contents(done)
    folder = DEMO.parent / "tenx_healthy_T_1k"
    with pytest.raises(OutputError, match=r"other inputs \(gex, tcr\)") as caught:
        run_sample(make_options(done, gex=folder / GEX.name, tcr=(folder / TCR.name,)))
    assert "--prefix" in caught.value.mend
    assert contents(done) == before


def test_nothing_old_stands_beside_what_a_failing_run_made_anew(done, monkeypatch):
    """If the second sample fails half-way, the first one's later files do not keep their names."""

    def fail(_options, *, progress):
        raise InputError("no", where="here", mend="so")

    monkeypatch.setattr("tcellflow.pipeline.plan.predict", fail)
    options = make_options(done, gex=GEX, tcr=(TCR,))
    options = replace(options, preprocess=replace(options.preprocess, min_genes=700))
    with pytest.raises(InputError):
        run_sample(options)
    assert not set(contents(done)) & {"s.predictions.parquet", "s.annotated.h5ad", "s.report.html"}
    assert "s.report.html.superseded" in contents(done)
    monkeypatch.undo()
    run_sample(options)
    assert not [name for name in contents(done) if name.endswith(".superseded")]
    assert "s.report.html" in contents(done)


def test_an_early_step_alone_sets_aside_what_it_made_wrong(done, caplog):
    """--steps preprocess with other thresholds leaves no calls of other cells, and says so."""
    options = make_options(done, gex=GEX, tcr=(TCR,), steps=("preprocess",))
    run_sample(options)
    assert "s.report.html" in contents(done)
    run_sample(replace(options, preprocess=replace(options.preprocess, min_genes=700)))
    assert not set(contents(done)) & {"s.receptors.parquet", "s.predictions.parquet", "s.report.html"}
    assert "set aside" in caplog.text


def test_a_step_that_needs_what_was_set_aside_is_refused(done):
    """Cells made anew do not go with the receptors of the cells before."""
    options = make_options(done, gex=GEX, tcr=(TCR,), steps=("preprocess", "predict"))
    with pytest.raises(OptionsError, match=r"predict needs s\.receptors\.parquet"):
        run_sample(replace(options, preprocess=replace(options.preprocess, min_genes=700)))


def test_an_empty_prefix_is_refused(tmp_path):
    """An empty prefix is not the default one."""
    options = make_options(tmp_path / "o", tcr=(TCR,))
    with pytest.raises(OptionsError, match="no sample name"):
        run_sample(replace(options, preprocess=replace(options.preprocess, prefix="")))
    assert not (tmp_path / "o").exists()


def test_wrong_options_are_told_before_any_work(tmp_path):
    """An unknown step, backend or bundle, a missing file and no file at all are refused at once."""
    given = make_options(tmp_path / "o", tcr=(TCR,))
    with pytest.raises(OptionsError, match="no step 'explain'"):
        run_sample(replace(given, steps=("explain",)))
    with pytest.raises(OptionsError, match="'word2vec'"):
        run_sample(replace(given, embed_tcr=replace(given.embed_tcr, backend="word2vec")))
    given = make_options(tmp_path / "o", gex=GEX)
    with pytest.raises(BundleError):
        run_sample(replace(given, predict=replace(given.predict, bundle="no-such-bundle")))
    with pytest.raises(InputError, match="does not exist"):
        run_sample(make_options(tmp_path / "o", gex=tmp_path / "absent.h5"))
    with pytest.raises(OptionsError, match="nothing to preprocess"):
        run_sample(make_options(tmp_path / "o"))
    assert not (tmp_path / "o").exists()


def test_progress_is_shown_for_each_step_that_runs(tmp_path):
    """The caller's context is entered once per step, with the step's name."""
    shown = []

    @contextmanager
    def show(label):
        yield lambda done, total: shown.append((label, done, total))

    run_sample(make_options(tmp_path / "o", tcr=(TCR,)), show=show)
    assert list(dict.fromkeys(label for label, _, _ in shown))[-2:] == ["embed-tcr", "report"]


def test_the_demo_fills_in_a_packaged_sample(tmp_path):
    """A packaged sample takes the place of inputs, never of files that the user gave."""
    options = use_demo(make_options(tmp_path), "trex_pt17_trimodal")
    assert (options.preprocess.gex, options.preprocess.tcr) == (GEX, (TCR,))
    with pytest.raises(OptionsError, match="cannot go together"):
        use_demo(make_options(tmp_path, tcr=(TCR,)))
    with pytest.raises(OptionsError, match="no packaged sample 'x'") as caught:
        use_demo(make_options(tmp_path), "x")
    assert pipeline.DEMO_SAMPLE in caught.value.mend


def test_the_gates_can_tell_effector(done):
    """A run hands to predict what tells Effector, and runs it again when that changes."""
    options = make_options(done, gex=GEX, tcr=(TCR,))
    options = replace(options, predict=replace(options.predict, effector_by="gate"))
    run_sample(options)
    note = json.loads((done / "s.metrics.json").read_text())["tcellflow"]
    assert note["options"]["effector_by"] == "gate"


def test_a_bundle_that_takes_receptors_gets_them(tmp_path):
    """The vectors of the run's own receptors reach the states of a bundle that was trained with them."""
    options = make_options(tmp_path / "o", gex=GEX, tcr=(TCR,), steps=("preprocess", "embed-tcr"))
    options = replace(options, embed_tcr=replace(options.embed_tcr, backend="kmer"))
    run_sample(options)
    width = int(pq.read_schema(tmp_path / "o" / "s.embeddings.parquet").metadata[b"dimension"])
    model = make_states_model(receptors=True, dimension=width)
    entry = {**RECEPTORS_ENTRY, "dimension": width}
    write_states_bundle(tmp_path / "bundle", receptors=entry, files=[("model.onnx", model)])
    asked = replace(options.predict, bundle=str(tmp_path / "bundle"))
    run_sample(replace(options, predict=asked, steps=None))
    predictions = pd.read_parquet(tmp_path / "o" / "s.predictions.parquet")
    receptors = pd.read_parquet(tmp_path / "o" / "s.receptors.parquet").set_index("cell_id")
    pairs = receptors.loc[predictions["barcode"], ["emb_tra", "emb_trb"]].notna().all(axis=1).to_numpy()
    assert 0 < pairs.sum() < len(pairs)
    assert set(predictions["inputs"][pairs]) == {"gex+tra+trb"}
    assert "gex+tra+trb" not in set(predictions["inputs"][~pairs])


def test_a_bundle_that_learnt_from_other_vectors_is_told_before_any_work(tmp_path):
    """A run whose receptors would be embedded by another encoder than the bundle's is refused at once."""
    entry = {**RECEPTORS_ENTRY, "encoder": "word2vec"}
    model = make_states_model(receptors=True)
    write_states_bundle(tmp_path / "bundle", receptors=entry, files=[("model.onnx", model)])
    options = make_options(tmp_path / "o", gex=GEX, tcr=(TCR,))
    options = replace(
        options,
        embed_tcr=replace(options.embed_tcr, backend="kmer"),
        predict=replace(options.predict, bundle=str(tmp_path / "bundle")),
    )
    with pytest.raises(OptionsError, match="learnt from receptor vectors of word2vec") as caught:
        run_sample(options)
    assert "--backend word2vec" in caught.value.mend
    assert not (tmp_path / "o").exists()


def test_clusters_of_similar_receptors_reach_the_clones(done):
    """A run that asks for neighbours names the cluster of each clone, the same as that of its cells."""
    options = make_options(done, gex=GEX, tcr=(TCR,))
    run_sample(replace(options, embed_tcr=replace(options.embed_tcr, backend="kmer", neighbours=2)))
    assert (done / "s.neighbours.parquet").exists()
    clones = pd.read_parquet(done / "s.clonotypes.parquet").set_index("clone_id")
    cells = pd.read_parquet(done / "s.receptors.parquet").dropna(subset=["clone_id", "receptor_cluster"])
    cells = cells[cells["clone_id"].isin(clones.index)]
    assert len(cells) > 50
    assert clones.loc[cells["clone_id"], "receptor_cluster"].tolist() == cells["receptor_cluster"].tolist()


def test_a_sample_is_fused_where_it_has_antibodies(whole_run):
    """The annotated file of a sample with antibodies holds vectors, groups and proteins."""
    cells = ad.read_h5ad(whole_run / "s.annotated.h5ad")
    assert cells.obsm["X_fused"].shape == (cells.n_obs, 64)
    assert {"X_fused_umap", "adt_imputed", "adt_denoised", "adt_foreground"} <= set(cells.obsm)
    assert {"fuse_inputs", "fuse_label", "fuse_cluster", "fuse_ood_score"} <= set(cells.obs)


def test_expression_alone_is_fused_on_request(tmp_path, caplog):
    """Without antibodies a run does not fuse, unless it always shall; with them it can be told not to."""
    cells = sc.read_10x_h5(GEX, gex_only=True)
    cells.var_names_make_unique()
    cells.write_h5ad(tmp_path / "rna.h5ad")
    options = make_options(tmp_path / "out", gex=tmp_path / "rna.h5ad")
    assert "fuse" not in {step.name for step in plan_steps(options)}
    assert "no antibodies" in caplog.text
    assert "fuse" in {step.name for step in plan_steps(replace(options, fusing="always"))}
    both = make_options(tmp_path / "out", gex=GEX)
    assert "fuse" in {step.name for step in plan_steps(both)}
    assert "fuse" not in {step.name for step in plan_steps(replace(both, fusing="never"))}
    named = replace(both, fusing="never", steps=("preprocess", "fuse"))
    assert "fuse" in {step.name for step in plan_steps(named)}
