"""JSON that is none, or that no other program would read."""

import pytest

from tcellflow.errors import BundleError, InputError
from tcellflow.io.bundles.folders import read_bundle
from tcellflow.io.contigs.reading import read_receptors
from tcellflow.io.files.json_text import NotJsonError, parse_json
from tcellflow.io.outputs.record_file import read_steps
from tcellflow.io.tables.documents import read_json

_ODD = {
    "depth": "[" * 100_000,
    "digits": '{"a": ' + "9" * 5000 + "}",
    "surrogate": '{"a": "\\ud800"}',
    "key": '{"\\uDFFF": 1}',
    "nan": '{"a": NaN}',
    "infinite": '{"a": -Infinity}',
    "endless": '{"a": 1e999}',
    "cut": '{"a": ',
}


@pytest.mark.parametrize("name", _ODD)
@pytest.mark.parametrize("kind", [str, bytes])
def test_odd_json_is_refused(name, kind):
    """Depth, endless numbers, halves of characters and NaN are faults of the text."""
    text = _ODD[name] if kind is str else _ODD[name].encode()
    with pytest.raises(NotJsonError):
        parse_json(text)


def test_whole_json_is_read():
    """Pairs of surrogates are a character, and escapes that look like one are text."""
    assert parse_json('{"a": "\\ud83e\\uddec", "b": "\\\\ud800", "c": 1e308}') == {
        "a": "\U0001f9ec",
        "b": "\\ud800",
        "c": 1e308,
    }


@pytest.mark.parametrize("name", _ODD)
def test_every_reader_of_json_gives_its_own_error(tmp_path, name):
    """Documents, records and contigs end with 66, bundles with 69; none is a bug."""
    (tmp_path / "s.run.json").write_text(_ODD[name])
    (tmp_path / "bundle.json").write_text(_ODD[name])
    (tmp_path / "contigs.json").write_text("[" + _ODD[name])
    for read in (
        lambda: read_json(tmp_path / "s.run.json"),
        lambda: read_steps(tmp_path, "s"),
        lambda: read_receptors(tmp_path / "contigs.json"),
    ):
        with pytest.raises(InputError) as caught:
            read()
        assert caught.value.mend
    with pytest.raises(BundleError):
        read_bundle(tmp_path)


def test_a_contig_of_any_size_is_given_up(tmp_path):
    """One contig of 60 MB is no contig, and finding that out takes no minute."""
    (tmp_path / "a.json").write_text('[{"barcode": "' + "A" * 60_000_000 + '"}]')
    with pytest.raises(InputError, match="cut off or damaged"):
        read_receptors(tmp_path / "a.json")
