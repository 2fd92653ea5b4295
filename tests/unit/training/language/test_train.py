"""`train language` from a manifest to a bundle that writes, and everything that can be wrong on the way."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from command_line import run_command
from language_samples import MONOCYTE, NAIVE_CD4, NK, B, make_sample
from tcellflow.errors import BundleError, InputError, OptionsError, OutputError
from tcellflow.inference.language.writer import NeuralWriter
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, read_bundle
from tcellflow.io.bundles.language import LanguageDetails, read_language_genes, read_tokens
from tcellflow.training.checkpoints import METRICS_FILE
from tcellflow.training.language.manifest import read_language_manifest
from tcellflow.training.language.options import LanguageTaskOptions, PlanOptions, TrainLanguageOptions
from tcellflow.training.language.plans import make_plans
from tcellflow.training.language.train import train_language
from tcellflow.training.options import LoopOptions

LOOP = LoopOptions(
    steps=6, learning_rate=2e-3, warm_up_steps=2, validate_every=3, device="cpu", is_mixed_precision=False
)
TERMS = {term.replace(":", "_"): term for term in (B, MONOCYTE, NAIVE_CD4, NK)}


@pytest.fixture
def manifest(tmp_path):
    """Two sets of the same four types."""
    sets = []
    for seed, name in enumerate(("one", "two")):
        make_sample(n_each=30, seed=seed).write_h5ad(tmp_path / f"{name}.h5ad")
        sets.append(
            {"name": name, "counts": f"{name}.h5ad", "label": "kind", "terms": TERMS, "licence": "CC0"}
        )
    path = tmp_path / "sets.yaml"
    path.write_text(yaml.safe_dump({"sets": sets}), encoding="utf-8")
    return path


def options(manifest, **changes):
    found = TrainLanguageOptions(
        manifest,
        manifest.parent / "run",
        plans=PlanOptions(drawings=2, groups=8, least=4, most=12, fold=0.2, genes=50),
        task=LanguageTaskOptions(width=16, decoder_layers=1, batch=4),
        loop=LOOP,
    )
    return replace(found, **changes)


def change(manifest, **changes):
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    document["sets"][0] |= changes
    manifest.write_text(yaml.safe_dump(document), encoding="utf-8")


def test_a_manifest_becomes_a_bundle_that_writes(manifest):
    """It judges itself on groups and on a set that it had not seen, and describe can be asked to use it."""
    bundle = train_language(options(manifest, hold_out=frozenset({"two"}), licence="MIT"))
    details, document = bundle.description.details, bundle.description.document
    assert isinstance(details, LanguageDetails)
    symbols, mean, scale = read_language_genes(bundle.folder, details.genes)
    assert (len(symbols), mean.shape, bool((scale > 0).all())) == (50, (50,), True)
    assert "[marker_present.subject]" in read_tokens(bundle.folder, details.tokens)
    assert [row["set"] for row in document["metrics"]] == ["all", "two"]
    assert document["training"][0]["licence"] == "CC0"
    assert (manifest.parent / "run" / METRICS_FILE).is_file()
    assert "| one |" in (bundle.folder / "CARD.md").read_text(encoding="utf-8")
    done = run_command(
        "describe", "run", manifest.parent / "two.h5ad", "--groupby", "kind", "--realiser", "neural",
        "--bundle", bundle.folder, "-o", manifest.parent / "out", "--prefix", "s",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    lines = (manifest.parent / "out" / "s.descriptions.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    assert {one["realiser"] for one in found} == {"neural"}
    for one in found:  # an untrained network may write nonsense: whatever is left was supported
        assert all(claim["verdict"] == "supported" for claim in one["claims"] if claim["sentence"])
    assert run_command("bundle", "verify", bundle.folder).code == 0


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(manifest):
    """The same bytes; an earlier run is not thrown away unasked."""
    whole = train_language(options(manifest, output=manifest.parent / "whole", name="x"))
    part = replace(LOOP, steps=3)
    run = options(manifest, output=manifest.parent / "part", name="x")
    train_language(replace(run, loop=part))
    with pytest.raises(OutputError, match="an earlier run is in the folder"):
        train_language(run)
    with pytest.raises(InputError, match="of another run: steps differ"):
        train_language(replace(run, resume=True))
    again = train_language(
        replace(options(manifest, name="x"), output=manifest.parent / "whole", resume=True)
    )
    assert again.sha256 == whole.sha256


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"counts": "none.h5ad"}, "there is no"),
        ({"label": None}, "no column 'label'"),
        ({"terms": {"a": "CL:9999999"}}, "no terms of the Cell Ontology: CL:9999999"),
        ({"terms": ["a"]}, "terms is no mapping"),
        ({"colour": "red"}, "unknown keys: colour"),
        ({"name": "two"}, "two sets are called two"),
    ],
    ids=str,
)
def test_faults_of_the_manifest_are_told(manifest, changes, fault):
    """Each is named with its set."""
    change(manifest, **changes)
    with pytest.raises(InputError, match=fault):
        read_language_manifest(manifest)


def test_what_cannot_be_learnt_from_is_refused(manifest, tmp_path):
    """A column that is not there, sets that are all held out or unknown, phrases with gaps or faults."""
    with pytest.raises(OptionsError, match="no set is called three"):
        train_language(options(manifest, hold_out=frozenset({"three"})))
    with pytest.raises(OptionsError, match="all sets are held out"):
        train_language(options(manifest, hold_out=frozenset({"one", "two"})))
    few = tmp_path / "few.toml"
    few.write_text('[[phrase]]\nsays = "size"\ntext = "Here are [count]."\n', encoding="utf-8")
    with pytest.raises(InputError, match="no phrase says identity, uncertainty"):
        train_language(options(manifest, phrases=few))
    with pytest.raises(InputError, match="cannot be read"):
        train_language(options(manifest, phrases=tmp_path / "none.toml"))
    change(manifest, label="colour")
    with pytest.raises(InputError, match="no column 'colour' in obs"):
        train_language(options(manifest))


def test_kept_groups_share_no_cells_with_those_learnt(manifest):
    """Groups that judge are made of cells of their own, whose expression differs from all others."""
    entry = read_language_manifest(manifest)[0]
    plans = make_plans(entry, PlanOptions(drawings=3, groups=10, least=4, most=8, fold=0.3), 0)
    kept = [plan for plan in plans if plan.is_kept]
    assert 0 < len(kept) < len(plans)
    assert {plan.term for plan in plans} <= {*TERMS.values(), ""}
    assert {row.kind for plan in plans if not plan.is_kept for row in plan.rows} >= {
        "junction",
        "segment",
        "donors",
    }


def test_a_bundle_of_another_task_cannot_write(tmp_path):
    """The error names both tasks; so does the command."""
    with pytest.raises(BundleError, match="'receptors' instead of 'language'"):
        NeuralWriter(read_bundle(PACKAGED_FOLDER / "receptors"))
    sample = make_sample(n_each=5)
    sample.write_h5ad(tmp_path / "cells.h5ad")
    done = run_command(
        "describe",
        "run",
        tmp_path / "cells.h5ad",
        "--realiser",
        "neural",
        "--bundle",
        "receptors",
        "-o",
        tmp_path,
    )
    assert done.code == 69
    assert not np.any([path.name.startswith("sample.") for path in tmp_path.iterdir()])
