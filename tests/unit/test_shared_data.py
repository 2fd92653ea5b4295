"""The fixture that finds the real data sets."""

import pytest

from conftest import find_shared_data


def test_named_folder_is_used(tmp_path):
    """TCELLFLOW_TEST_DATA names the folder."""
    assert find_shared_data({"TCELLFLOW_TEST_DATA": str(tmp_path), "CI": "true"}) == tmp_path


def test_absent_folder_skips_at_home_and_fails_in_ci(tmp_path):
    """Without the data tests are skipped with the folder's name, but under CI they fail."""
    absent = {"TCELLFLOW_TEST_DATA": str(tmp_path / "nowhere")}
    with pytest.raises(pytest.skip.Exception, match="nowhere"):
        find_shared_data(absent)
    with pytest.raises(pytest.fail.Exception, match="nowhere"):
        find_shared_data(absent | {"CI": "true"})
