"""Imported TCR-BERT folders: the vectors are those of the transformers library, wrong folders are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertModel, BertTokenizer

from bert_folders import PUBLISHED, TOKENS, write_bert_folder, write_tokeniser
from command_line import run_command
from tcellflow.errors import BundleError, InputError, OptionsError, OutputError
from tcellflow.inference.receptors.network import NetworkEncoder
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.receptors.encoding.sequences import ChainSequences
from tcellflow.training.receptors.tcr_bert import ImportOptions, check_tokeniser, import_tcr_bert

JUNCTIONS = ("CASSIRSSYEQYF", "CAGGGSQGNLIF", "CASSDKMHPVTWQEAFF", "CAAAF", "C" + "ASGRT" * 5 + "EQYF")


def make_chains(junctions=JUNCTIONS, locus="TRB"):
    """Bring junctions into the form encoders take."""
    nothing = np.full(len(junctions), None, dtype=object)
    loci = np.full(len(junctions), locus, dtype=object)
    return ChainSequences(loci, np.array(junctions, dtype=object), nothing, nothing)


def open_encoder(bundle):
    """Open an imported bundle."""
    return NetworkEncoder(bundle, threads=1, device="cpu")


def embed_by_transformers(folder, *, pool, max_length=None):
    """Embed the junctions as its authors do (mean of residues) or the seed (class token, padded)."""
    tokeniser = BertTokenizer.from_pretrained(folder, local_files_only=True)
    model = BertModel.from_pretrained(folder, local_files_only=True).eval()
    vectors = []
    for junction in JUNCTIONS:
        padding = {} if max_length is None else {"padding": "max_length", "max_length": max_length}
        inputs = tokeniser(" ".join(junction), return_tensors="pt", **padding)
        with torch.no_grad():
            hidden = model(**inputs).last_hidden_state[0]
        vectors.append(hidden[0] if pool == "cls" else hidden[1 : len(junction) + 1].mean(0))
    return torch.stack(vectors).numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small folder with a masked-residue head."""
    return write_bert_folder(tmp_path_factory.mktemp("hf") / "mlm")


@pytest.fixture(scope="module")
def bundle(folder, tmp_path_factory):
    """Its bundle, mean over residues."""
    return import_tcr_bert(ImportOptions(folder, tmp_path_factory.mktemp("bundle") / "tcr-bert"))


@pytest.fixture
def broken(folder, tmp_path):
    """A copy of the folder that a test may break."""
    copy = tmp_path / "hf"
    copy.mkdir()
    for path in folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def test_mean_vectors_are_those_of_the_reference(folder, bundle):
    """The mean over residues is that of transformers, and junctions lie apart."""
    found = open_encoder(bundle).embed_chains(make_chains())
    expected = embed_by_transformers(folder, pool="mean")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected[0] - expected[1]).max() > 0.1


def test_class_token_vectors_are_those_of_the_seed(tmp_path):
    """With --pool cls --max-length 32 the vectors are those of a run padded to 32 tokens, one by one."""
    folder = write_bert_folder(tmp_path / "hf", has_classifier=True, as_bin=True)
    done = run_command(
        "bundle", "import", "tcr-bert", folder, "-o", tmp_path / "b", "--pool", "cls", "--max-length", 32
    )
    assert done.code == 0, done.stderr
    bundle = read_bundle(tmp_path / "b")
    assert done.stdout == f"tcr-bert: {tmp_path / 'b'} (sha256 {bundle.sha256})\n"
    details = bundle.receptors
    assert (details.max_length, details.pooling, details.loci) == (30, "class token", {"TRB"})
    found = open_encoder(bundle).embed_chains(make_chains())
    np.testing.assert_allclose(found, embed_by_transformers(folder, pool="cls", max_length=32), atol=1e-4)


@pytest.mark.slow
def test_the_published_configuration_is_imported(tmp_path):
    """12 layers of 768, randomly initialised: the bundle says what transformers says, residue by residue."""
    folder = write_bert_folder(tmp_path / "hf", size=PUBLISHED, spread=1)
    bundle = import_tcr_bert(ImportOptions(folder, tmp_path / "b"))
    assert bundle.receptors.dimension == 768
    found = open_encoder(bundle).embed_chains(make_chains())
    expected = embed_by_transformers(folder, pool="mean")
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.abs(expected - expected[0]).max(axis=1)[1:].min() > 1e-2


def test_the_bundle_says_what_it_is(bundle, folder):
    """Weights with a masked-residue head cover both loci; length, pooling and parity are stated."""
    details = bundle.receptors
    assert (details.backend, details.dimension, details.max_length) == ("tcr-bert", 24, 62)
    assert details.loci == {"TRA", "TRB"}
    document = bundle.description.document
    assert document["parity"]["largest_difference"] <= 1e-4
    assert document["imported"]["architecture"] == "BertForMaskedLM"
    assert "up to 62 residues" in (bundle.folder / "CARD.md").read_text()


def test_the_same_folder_gives_the_same_bundle(folder, bundle, tmp_path):
    """Importing again gives the same bytes."""
    again = import_tcr_bert(ImportOptions(folder, tmp_path / "again"))
    assert again.sha256 == bundle.sha256


def test_vectors_do_not_depend_on_batch_or_padding(bundle):
    """A junction alone has the vector it has among others."""
    encoder = open_encoder(bundle)
    whole = encoder.embed_chains(make_chains())
    for row in range(len(JUNCTIONS)):
        alone = encoder.embed_chains(make_chains(JUNCTIONS[row : row + 1]))[0]
        np.testing.assert_allclose(alone, whole[row], atol=1e-5)


def test_the_published_tokeniser_passes(folder):
    """`R K D E S` reads as [25, 0, 2, 3, 4, 5, 24]."""
    check_tokeniser(folder)
    tokeniser = BertTokenizer.from_pretrained(folder, local_files_only=True)
    assert tokeniser("R K D E S")["input_ids"] == [25, 0, 2, 3, 4, 5, 24]


@pytest.mark.parametrize(
    ("tokens", "changes", "words"),
    [
        (TOKENS, {"do_lower_case": True}, r"\[25, 23, 23, 23, 23, 23, 24\]"),
        ([*TOKENS[1::-1], *TOKENS[2:]], {}, r"\[25, 1, 2, 3, 4, 5, 24\]"),
        ([*TOKENS[:19], "Y", "W", "F", *TOKENS[22:]], {}, "instead of"),
        ([*TOKENS[:24], "*", "|"], {}, r"\[24, 0, 2, 3, 4, 5, 25\]"),
    ],
    ids=["lower-casing", "R and H exchanged", "last residues moved", "class and separator exchanged"],
)
def test_a_forged_tokeniser_ends_with_69(broken, tmp_path, tokens, changes, words):
    """A tokeniser that names residues otherwise is a bundle error, and nothing is written."""
    write_tokeniser(broken, tokens=tokens, **changes)
    with pytest.raises(BundleError, match=words) as caught:
        import_tcr_bert(ImportOptions(broken, tmp_path / "b"))
    assert caught.value.exit_code == 69
    assert not (tmp_path / "b").exists()


def edit_config(folder, **changes):
    """Change config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "roberta"}, "'model_type' is 'roberta'"),
        ({"vocab_size": 30522}, "'vocab_size' is 30522 instead of 26"),
        ({"hidden_size": "wide"}, "'hidden_size' is 'wide'"),
        ({"hidden_size": 48}, "cannot be loaded"),
        ({"num_hidden_layers": 3}, "tensors are missing"),
    ],
)
def test_models_that_are_no_tcr_bert_are_refused(broken, tmp_path, changes, words):
    """Another model, another size than the weights have, and missing weights are bundle errors."""
    edit_config(broken, **changes)
    with pytest.raises(BundleError, match=words):
        import_tcr_bert(ImportOptions(broken, tmp_path / "b"))


def test_incomplete_folders_are_refused(broken, tmp_path):
    """Without configuration or weights the folder is an input error, with damaged ones a bundle error."""
    options = ImportOptions(broken, tmp_path / "b")
    weights = load_file(broken / "model.safetensors")
    del weights["bert.encoder.layer.1.output.dense.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match=r"1 tensors are missing .*layer\.1\.output"):
        import_tcr_bert(options)
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(BundleError, match="cannot be loaded"):
        import_tcr_bert(options)
    (broken / "model.safetensors").unlink()
    with pytest.raises(InputError, match="holds no weights"):
        import_tcr_bert(options)
    (broken / "config.json").write_text("[]")
    with pytest.raises(BundleError, match="no JSON object"):
        import_tcr_bert(options)
    (broken / "config.json").write_text("{")
    with pytest.raises(BundleError, match="not JSON"):
        import_tcr_bert(options)
    with pytest.raises(InputError, match=r"configuration cannot be read"):
        import_tcr_bert(replace(options, folder=tmp_path / "nowhere"))


@pytest.mark.parametrize("length", [5, 65])
def test_impossible_lengths_are_refused(folder, tmp_path, length):
    """Fewer tokens than the shortest junction has, or more than the weights have places, are refused."""
    with pytest.raises(OptionsError, match=f"{length} tokens are not within 8 and the 64 places"):
        import_tcr_bert(ImportOptions(folder, tmp_path / "b", max_length=length))


def test_a_taken_place_is_refused(folder, bundle):
    """A bundle that is there is replaced only when that is asked for."""
    with pytest.raises(OutputError, match="stands there already"):
        import_tcr_bert(ImportOptions(folder, bundle.folder))
