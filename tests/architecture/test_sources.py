"""House rules of the source text that no linter holds."""

from __future__ import annotations

import ast
import builtins
import re

import pytest

from architecture.sources import PACKAGE, ROOT, package_sources, tracked_files
from tcellflow import errors

SOURCES = package_sources()
MAX_CODE_LINES = 250
MAX_MODULES = 18
MAX_STATEMENT_LINES = 60
DRAWERS = {"utils", "util", "common", "helpers", "helper", "core", "misc"}
BUILTIN_ERRORS = {
    name
    for name, item in vars(builtins).items()
    if isinstance(item, type) and issubclass(item, BaseException)
}
OWN_ERRORS = {
    name
    for name, item in vars(errors).items()
    if isinstance(item, type) and issubclass(item, errors.TcellflowError)
}
# What must not stand in a public text: paths of one machine, and where packages are fetched from.
FORBIDDEN = re.compile(
    r"(?<![\w.}~-])/(?:work|root|home/\w+|Users/\w+)/"
    r"|--(?:extra-)?index-url|(?:pypi\.org|pythonhosted\.org)/(?:simple|packages)"
    r"|/opt/wheels"
)
BINARY = {".h5", ".h5ad", ".parquet", ".npz", ".onnx", ".gz", ".png", ".woff2", ".safetensors"}


def _by_name(source):
    return source.name


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_no_assert_in_the_package(source):
    """User input is checked with errors, never with assert (python -O drops it)."""
    assert [node.lineno for node in ast.walk(source.tree) if isinstance(node, ast.Assert)] == []


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_files_stay_short(source):
    """No file of the package has more than 250 lines of code: docstrings, comments and blanks apart."""
    assert len(_code_lines(source)) <= MAX_CODE_LINES


def _code_lines(source):
    said = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                said |= set(range(first.lineno, first.end_lineno + 1))
    return [
        line
        for number, line in enumerate(source.text.splitlines(), 1)
        if number not in said and line.strip() and not line.lstrip().startswith("#")
    ]


@pytest.mark.parametrize("folder", sorted({s.path.parent for s in SOURCES}), ids=lambda p: p.name)
def test_folders_stay_small(folder):
    """No folder of the package has more than 18 modules, so that its list is read at a glance."""
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= MAX_MODULES


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_functions_stay_short(source):
    """No function body, its docstring apart, is longer than one screen."""
    too_long = {}
    for function in source.functions():
        first = function.body[1 if ast.get_docstring(function) is not None and len(function.body) > 1 else 0]
        length = function.end_lineno - first.lineno + 1
        if length > MAX_STATEMENT_LINES:
            too_long[function.name] = length
    assert too_long == {}


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_every_module_says_what_it_is(source):
    """Every module opens with a docstring, unless it is an empty marker of a package."""
    assert source.text.strip() == "" or ast.get_docstring(source.tree)


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_public_functions_take_no_unnamed_options(source):
    """No public function hides its options in ``**kwargs``."""
    hidden = [f.name for f in source.functions() if not f.name.startswith("_") and f.args.kwarg is not None]
    assert hidden == []


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_raises_sections_name_real_errors(source):
    """Every error named in a docstring's Raises section exists."""
    known = BUILTIN_ERRORS | OWN_ERRORS
    named = {name for node in _documented(source.tree) for name in _raises_of(node)}
    assert named - known == set()


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_public_functions_document_the_errors_they_raise(source):
    """An error of tcellflow raised in a public function stands in its Raises section."""
    missing = {
        f"{function.name}: {name}"
        for function in source.functions()
        if not function.name.startswith("_") and ast.get_docstring(function)
        for name in _raised_in(function) & OWN_ERRORS
        if name not in _raises_of(function)
    }
    assert missing == set()


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_parameters_are_documented_all_or_not_at_all(source):
    """A Parameters section names every parameter; where names and types say it all, there is none."""
    missing = {
        f"{function.name}: {name}"
        for function in source.functions()
        for names in [_parameters_of(function)]
        if names
        for name in _arguments_of(function) - names
    }
    assert missing == set()


def _parameters_of(node):
    """Give the names that a docstring's Parameters section explains."""
    lines = (ast.get_docstring(node) or "").splitlines()
    if "Parameters" not in lines:
        return set()
    named = set()
    rest = lines[lines.index("Parameters") + 2 :]
    for line, following in zip(rest, [*rest[1:], ""], strict=True):
        if following.startswith("---"):
            break
        if line and not line.startswith(" "):
            named |= {name.strip().lstrip("*") for name in line.split(":")[0].split(",")}
    return named


def _arguments_of(function):
    arguments = function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    return {argument.arg for argument in every if argument is not None} - {"self", "cls"}


def _documented(tree):
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]


def _raises_of(node):
    lines = (ast.get_docstring(node) or "").splitlines()
    try:
        start = next(i for i, line in enumerate(lines) if line == "Raises") + 2
    except StopIteration:
        return set()
    named = set()
    for line, following in zip(lines[start:], [*lines[start + 1 :], ""], strict=True):
        if following.startswith("---"):
            break
        if line and not line.startswith(" "):
            named |= {name.strip() for name in line.split(",")}
    return named


def _raised_in(function):
    return {
        node.exc.func.id
        for node in ast.walk(function)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
    }


def test_there_are_no_drawers():
    """No module or package is named utils, common, helpers or core."""
    names = {
        part for path in PACKAGE.rglob("*.py") for part in path.relative_to(PACKAGE).with_suffix("").parts
    }
    assert names & DRAWERS == set()


def test_texts_name_no_machine_and_no_package_index():
    """No tracked text holds a path of one machine or the address of a package index."""
    found = []
    for path in tracked_files():
        if path.suffix in BINARY or path.name == "test_sources.py":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if FORBIDDEN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("source", SOURCES, ids=_by_name)
def test_the_package_reads_nothing_beside_the_repository(source):
    """No module of the package reaches for files outside the installed package."""
    assert "../shared" not in source.text
    assert "TCELLFLOW_TEST_DATA" not in source.text
