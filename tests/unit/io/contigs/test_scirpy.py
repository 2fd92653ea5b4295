"""Receptors inside AnnData and MuData, of every generation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anndata as ad
import awkward as ak
import numpy as np
import pandas as pd
import pytest

from contig_files import make_contigs
from tcellflow.errors import InputError
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.receptors.chains import choose_chains
from tcellflow.receptors.contigs import DropReason

FIELDS = ["locus", "v_call", "d_call", "j_call", "c_call", "junction_aa", "junction"]
ROWS = ["cell_id", *FIELDS, "umi_count"]


def chosen(path: Path) -> pd.DataFrame:
    chains = choose_chains(read_receptors(path), donor="d").chains
    return chains[["cell_id", "arm", "rank", *FIELDS, "umi_count"]]


def write_array(path: Path, contigs: pd.DataFrame, **obs: Any) -> Path:
    cells = list(dict.fromkeys(contigs["cell_id"]))
    records = contigs.drop(columns=["cell_id", "is_cell", "high_confidence"]).replace("", None)
    per_cell = [records[contigs["cell_id"] == cell].to_dict("records") for cell in cells]
    adata = ad.AnnData(np.zeros((len(cells), 1), np.float32), obs=pd.DataFrame(obs, index=cells))
    adata.obsm["airr"] = ak.Array(per_cell)
    adata.write_h5ad(path)
    return path


def write_obs(path: Path, obs: dict[str, Any], cells: list[str]) -> Path:
    adata = ad.AnnData(np.zeros((len(cells), 1), np.float32), obs=pd.DataFrame(obs, index=cells))
    adata.write_h5ad(path)
    return path


def slots(prefixes: dict[str, dict[str, Any]], *, old: bool = False) -> dict[str, list[Any]]:
    names = (
        {"junction_aa": "cdr3", "junction": "cdr3_nt", "umi_count": "expr"}
        if old
        else {"umi_count": "duplicate_count"}
    )
    columns = {}
    for prefix, chain in prefixes.items():
        for field in (*FIELDS, "umi_count"):
            word = names.get(field, field.replace("_call", "_gene") if old else field)
            # missing texts are written as "None" or "nan" by these versions
            columns[f"{prefix}_{word}"] = [
                chain.get(field, np.nan if field == "umi_count" else "nan") or "None"
            ]
    return columns


ALPHA = dict(
    zip([*FIELDS, "umi_count"], ["TRA", "TRAV1-2", None, "TRAJ33", "TRAC", "CAVRDW", "TGT", 3.0], strict=True)
)
BETA = dict(
    zip(
        [*FIELDS, "umi_count"],
        ["TRB", "TRBV9", "TRBD1", "TRBJ1-1", "TRBC1", "CASSLGF", "TGT", 5.0],
        strict=True,
    )
)
HEAVY = BETA | {"locus": "IGH", "v_call": "IGHV1-2"}
GAMMA = ALPHA | {"locus": "TRG", "v_call": "TRGV9", "j_call": "TRGJP", "c_call": "TRGC1"}


def test_airr_arrays_hold_all_chains(tmp_path: Path) -> None:
    """scirpy >= 0.13: every chain of the awkward array is read, and ranked anew."""
    contigs = make_contigs(30, seed=9)
    path = write_array(tmp_path / "a.h5ad", contigs)
    raw = read_receptors(path)
    assert raw.rows_read == len(contigs)
    expected = contigs.replace("", None)[ROWS].astype({"umi_count": float})
    pd.testing.assert_frame_equal(raw.rows[ROWS], expected, check_dtype=False)


def test_stored_chain_indices_are_not_trusted(tmp_path: Path) -> None:
    """A file without them gives the same ranks."""
    contigs = make_contigs(20, seed=10)
    path = write_array(tmp_path / "a.h5ad", contigs)
    plain = chosen(path)
    adata = ad.read_h5ad(path)
    wrong = ak.Array([{"VJ": [None, None], "VDJ": [None, None], "multichain": False}] * adata.n_obs)
    adata.obsm["chain_indices"] = wrong
    adata.write_h5ad(path)
    pd.testing.assert_frame_equal(chosen(path), plain)


def test_mudata_keeps_receptors_in_a_modality_of_their_own(tmp_path: Path) -> None:
    """mod/airr is found beside mod/gex, which may have other cells."""
    mudata = pytest.importorskip("mudata")
    contigs = make_contigs(12, seed=11)
    adata = ad.read_h5ad(write_array(tmp_path / "a.h5ad", contigs))
    gex = ad.AnnData(np.zeros((40, 2), np.float32), obs=pd.DataFrame(index=[f"c{n}" for n in range(40)]))
    mudata.MuData({"gex": gex, "airr": adata}).write(tmp_path / "m.h5mu")
    pd.testing.assert_frame_equal(chosen(tmp_path / "m.h5mu"), chosen(tmp_path / "a.h5ad"))


def test_receptor_modalities_are_joined(tmp_path: Path) -> None:
    """T- and B-cell receptors in modalities of their own are all read, though contigs have the same names."""
    mudata = pytest.importorskip("mudata")
    contigs = make_contigs(12, seed=11)
    tcr = ad.read_h5ad(write_array(tmp_path / "t.h5ad", contigs))
    heavy = contigs[contigs["locus"] == "TRB"].assign(locus="IGH", v_call="IGHV1-2", j_call="", d_call="")
    bcr = ad.read_h5ad(write_array(tmp_path / "b.h5ad", heavy))
    gex = ad.AnnData(np.zeros((2, 2), np.float32), obs=pd.DataFrame(index=["a", "b"]))
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"gex": gex, "tcr": tcr, "bcr": bcr}).write(tmp_path / "m.h5mu")
    raw = read_receptors(tmp_path / "m.h5mu")
    assert raw.rows_read == len(contigs) + len(heavy)
    rows = ["cell_id", "arm", *FIELDS]
    pd.testing.assert_frame_equal(
        chosen(tmp_path / "m.h5mu")[rows].sort_values(rows, ignore_index=True),
        chosen(tmp_path / "t.h5ad")[rows].sort_values(rows, ignore_index=True),
    )


def test_without_awkward_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named, and an export that needs no extra."""
    path = write_array(tmp_path / "a.h5ad", make_contigs(3, seed=1))
    monkeypatch.setattr("tcellflow.io.contigs.scirpy.find_spec", lambda _: None)
    with pytest.raises(InputError, match="awkward is not installed") as caught:
        read_receptors(path)
    assert "pip install awkward" in caught.value.mend


def test_obs_columns_of_scirpy_0_7_to_0_12(tmp_path: Path) -> None:
    """VJ_1 is alpha and VDJ_1 beta; all slots are productive by definition."""
    obs = slots({"IR_VJ_1": ALPHA, "IR_VJ_2": {}, "IR_VDJ_1": BETA, "IR_VDJ_2": {}})
    chains = chosen(write_obs(tmp_path / "a.h5ad", obs, ["c"]))
    assert list(chains["locus"]) == ["TRA", "TRB"]
    assert list(chains["junction_aa"]) == ["CAVRDW", "CASSLGF"]
    assert list(chains["umi_count"]) == [3, 5]


def test_loci_are_read_never_assumed(tmp_path: Path) -> None:
    """VJ_1 may be gamma and VDJ_1 heavy: the locus columns tell."""
    obs = slots({"IR_VJ_1": GAMMA, "IR_VDJ_1": HEAVY})
    raw = read_receptors(write_obs(tmp_path / "a.h5ad", obs, ["c"]))
    assert list(raw.rows["locus"]) == ["TRG", "IGH"]


def test_second_chains_of_an_arm_rank_second(tmp_path: Path) -> None:
    """VDJ_2 is a second beta chain, no alpha chain."""
    obs = slots({"IR_VDJ_1": BETA, "IR_VDJ_2": BETA | {"umi_count": 1.0, "junction_aa": "CASSYYF"}})
    chains = chosen(write_obs(tmp_path / "a.h5ad", obs, ["c"]))
    assert list(zip(chains["arm"], chains["rank"], chains["junction_aa"], strict=True)) == [
        ("VDJ", 1, "CASSLGF"),
        ("VDJ", 2, "CASSYYF"),
    ]


def test_extra_chains_are_read(tmp_path: Path) -> None:
    """Serialised further chains count; those that say so are not productive."""
    extra = [BETA | {"umi_count": 2.0, "junction_aa": "CASSYYF"}, ALPHA | {"productive": False}]
    obs = slots({"IR_VJ_1": ALPHA, "IR_VDJ_1": BETA}) | {"extra_chains": [json.dumps(extra)]}
    selected = choose_chains(read_receptors(write_obs(tmp_path / "a.h5ad", obs, ["c"])), donor="d")
    assert list(selected.chains["junction_aa"]) == ["CAVRDW", "CASSLGF", "CASSYYF"]
    assert selected.dropped == {DropReason.NOT_PRODUCTIVE: 1}


def test_broken_extra_chains_are_refused(tmp_path: Path) -> None:
    """The error names the cell."""
    obs = slots({"IR_VJ_1": ALPHA}) | {"extra_chains": ["[{"]}
    with pytest.raises(InputError, match="extra chains of cell c are no JSON"):
        read_receptors(write_obs(tmp_path / "a.h5ad", obs, ["c"]))


def test_obs_columns_of_scirpy_up_to_0_6(tmp_path: Path) -> None:
    """Here _cdr3 is the junction with anchors and genes are called v_gene."""
    obs = slots({"IR_VJ_1": ALPHA, "IR_VDJ_1": BETA}, old=True)
    new = slots({"IR_VJ_1": ALPHA, "IR_VDJ_1": BETA})
    assert "IR_VJ_1_cdr3" in obs
    first, second = (
        chosen(write_obs(tmp_path / f"{n}.h5ad", columns, ["c"])) for n, columns in enumerate((obs, new))
    )
    pd.testing.assert_frame_equal(first, second)


def test_older_columns_name_their_locus(tmp_path: Path) -> None:
    """TRA_1_cdr3 and TRB_1_cdr3 carry the locus in their names."""
    obs = slots({"TRA_1": ALPHA, "TRB_1": BETA, "TRB_2": {}}, old=True)
    obs = {name: values for name, values in obs.items() if not name.endswith("locus")}
    chains = chosen(write_obs(tmp_path / "a.h5ad", obs, ["c"]))
    assert list(zip(chains["locus"], chains["junction_aa"], strict=True)) == [
        ("TRA", "CAVRDW"),
        ("TRB", "CASSLGF"),
    ]


def test_seed_files_hold_one_chain_per_arm(tmp_path: Path) -> None:
    """cdr3a, cdr3b, v_alpha, j_alpha, v_beta and j_beta in obs."""
    obs = {
        "cdr3a": ["CAVRDW", "None"],
        "cdr3b": ["CASSLGF", ""],
        "v_alpha": ["TRAV1-2", "None"],
        "j_alpha": ["TRAJ33", "nan"],
        "v_beta": pd.Categorical(["TRBV9", np.nan]),
        "j_beta": pd.Categorical(["TRBJ1-1", np.nan]),
    }
    chains = chosen(write_obs(tmp_path / "a.h5ad", obs, ["c", "empty"]))
    assert list(chains["cell_id"]) == ["c", "c"]
    assert list(chains["v_call"]) == ["TRAV1-2", "TRBV9"]


def test_screpertoire_and_tracer_columns_in_obs(tmp_path: Path) -> None:
    """Metadata of R and TraCeR tables are read from obs as from text."""
    obs = {"CTgene": ["TRAV1-2.TRAJ33.TRAC_NA"], "CTaa": ["CAVRDW_NA"]}
    assert list(chosen(write_obs(tmp_path / "a.h5ad", obs, ["c"]))["junction_aa"]) == ["CAVRDW"]
    obs = {"cdr3_beta": ["CASSLGF"], "v_beta": ["TRBV9"]}
    assert list(chosen(write_obs(tmp_path / "b.h5ad", obs, ["c"]))["locus"]) == ["TRB"]


def test_obs_saved_as_text_is_read_too(tmp_path: Path) -> None:
    """adata.obs.to_csv gives the same chains."""
    obs = slots({"IR_VJ_1": ALPHA, "IR_VDJ_1": BETA})
    pd.DataFrame(obs, index=["c"]).to_csv(tmp_path / "obs.csv")
    from_file = chosen(write_obs(tmp_path / "a.h5ad", obs, ["c"]))
    pd.testing.assert_frame_equal(chosen(tmp_path / "obs.csv"), from_file)


def test_files_without_receptors_are_refused(tmp_path: Path) -> None:
    """The error says what was looked for."""
    with pytest.raises(InputError, match="holds no receptors: neither obsm"):
        read_receptors(write_obs(tmp_path / "a.h5ad", {"cluster": ["1"]}, ["c"]))


def test_truncated_files_are_refused(tmp_path: Path) -> None:
    """Half an HDF5 file is an input error."""
    path = write_obs(tmp_path / "a.h5ad", slots({"IR_VJ_1": ALPHA}), ["c"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="truncated"):
        read_receptors(path)


def scirpy_file(name: str) -> Path:
    scirpy = pytest.importorskip("scirpy")
    return Path(scirpy.__file__).parent / "tests" / "data" / name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*without encoding metadata")
def test_generations_of_a_real_file_agree() -> None:
    """scirpy's own test file of 200 cells in two generations gives the same chains."""
    columns = ["cell_id", "locus", "junction_aa", "junction", "v_call", "j_call"]
    first, second = (
        chosen(scirpy_file(f"wu2020_200_v0_{n}.h5ad"))[columns].sort_values(columns, ignore_index=True)
        for n in (6, 11)
    )
    pd.testing.assert_frame_equal(first, second)
    assert len(first) == 322


@pytest.mark.slow
def test_the_slots_hold_what_they_were_measured_to_hold() -> None:
    """VJ_1 is TRA in 126 cells, VDJ_1 TRB in 182 and VDJ_2 TRB in 5 or fewer of the 200."""
    obs = ad.read_h5ad(scirpy_file("wu2020_200_v0_11.h5ad")).obs
    rows = read_receptors(scirpy_file("wu2020_200_v0_11.h5ad")).rows
    n_filled = sum(
        (obs[f"IR_{slot}_junction_aa"].astype(str).isin(["None", "nan"]) == False).sum()  # noqa: E712
        for slot in ("VJ_1", "VJ_2", "VDJ_1", "VDJ_2")
    )
    assert len(rows) == n_filled
    assert set(rows["locus"]) == {"TRA", "TRB"}
