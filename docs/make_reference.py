"""Write docs/reference.md from the code: commands, outputs, contracts, words, exit codes.

Invariant: the page says what the code declares and nothing else; ``--check`` fails where the
page on disk is not the one the code would give.
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import sys
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from tcellflow import vocabulary
from tcellflow.cli import messages
from tcellflow.cli.app import app
from tcellflow.contracts.cells import ANNDATA_CONTRACTS
from tcellflow.contracts.documents import DOCUMENTS
from tcellflow.contracts.entries import Document, Entries
from tcellflow.contracts.tables import TABLES
from tcellflow.errors import EXIT_CODE_MEANINGS, TcellflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import typer

    from tcellflow.contracts.cells import AnnDataContract
    from tcellflow.contracts.columns import Column, Table

PAGE = Path(__file__).with_name("reference.md")
_HEAD = """# Reference

<!-- Written by docs/make_reference.py from the code: `make docs`. Do not edit. -->

[Commands](#commands) · [Tables](#tables) · [AnnData files](#anndata-files) ·
[JSON documents](#json-documents) · [Words](#words) · [Exit codes](#exit-codes)
"""


def write_reference() -> str:
    """Give the whole page.

    Returns
    -------
    str
        Markdown with a final newline.
    """
    parts = [_HEAD, *_describe_commands(), *_describe_tables(), *_describe_anndata()]
    parts += [*_describe_documents(), *_describe_words()]
    return "\n".join([*parts, *_describe_exit_codes()]).rstrip() + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    names = list(head)
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows:
        yield "| " + " | ".join(_cell(text) for text in row) + " |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _describe_commands() -> Iterator[str]:
    yield "## Commands\n"
    yield "The options about messages stand before a command or after it:\n"
    yield from _tabulate_options(messages.options)
    root = app.registered_callback
    if root is not None and root.callback is not None:
        yield from _describe_command("tcellflow", root.callback)
    yield from _describe_group("tcellflow", app)


def _describe_group(path: str, group: typer.Typer) -> Iterator[str]:
    for command in group.registered_commands:
        if command.callback is not None:
            name = command.name or command.callback.__name__.replace("_", "-")
            yield from _describe_command(f"{path} {name}", command.callback)
    for inner in group.registered_groups:
        if inner.typer_instance is not None:
            yield from _describe_group(f"{path} {inner.name}", inner.typer_instance)


def _describe_command(path: str, callback: Callable[..., Any]) -> Iterator[str]:
    yield f"### `{path}`\n"
    yield inspect.getdoc(callback) or ""
    yield ""
    yield from _tabulate_options(callback)


def _tabulate_options(callback: Callable[..., Any]) -> Iterator[str]:
    hints = get_type_hints(callback, include_extras=True)
    rows = [
        _describe_parameter(parameter, *get_args(hints[parameter.name])[:2])
        for parameter in inspect.signature(callback).parameters.values()
        # typer's own context has none, and former options are hidden
        if get_args(hints[parameter.name]) and not get_args(hints[parameter.name])[1].hidden
    ]
    if rows:
        yield from _table(("Option", "Value", "Default", "Meaning"), rows)


def _describe_parameter(
    parameter: inspect.Parameter, kind: Any, info: OptionInfo | ArgumentInfo
) -> tuple[str, str, str, str]:
    # inside Annotated, typer keeps the first name in the place of the default
    given = [name for name in (info.default, *(info.param_decls or ())) if isinstance(name, str)]
    names = sorted(given or [f"--{parameter.name.replace('_', '-')}"], key=lambda name: (len(name) > 2, name))
    if isinstance(info, ArgumentInfo):
        names = [info.metavar or parameter.name.upper()]
    return (
        ", ".join(f"`{name}`" for name in names),
        _value_of(kind, info),
        _default_of(parameter, kind),
        inspect.cleandoc(info.help or ""),
    )


def _value_of(kind: Any, info: OptionInfo | ArgumentInfo) -> str:
    inner = [part for part in get_args(kind) if part is not NoneType]
    if get_origin(kind) in {Union, UnionType}:
        return _value_of(inner[0], info)
    if get_origin(kind) is list:
        return f"{_value_of(inner[0], info)}, repeatable"
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in inner)
    if info.min is not None or info.max is not None:
        return " ".join(["number", *_bounds(info.min, info.max)])
    return {bool: "flag", int: "whole number", float: "number", str: "text", Path: "path"}[kind]


def _bounds(low: float | None, high: float | None) -> Iterator[str]:
    if low is not None:
        yield f"from {low:g}"
    if high is not None:
        yield f"to {high:g}"


def _default_of(parameter: inspect.Parameter, kind: Any) -> str:
    default = parameter.default
    if default is inspect.Parameter.empty:
        return "required"
    if kind is bool:
        return "on" if default else ""
    return "" if default is None else f"`{default}`"


def _describe_tables() -> Iterator[str]:
    yield "## Tables\n"
    yield (
        "Parquet files. The schema metadata hold the contract (`tcellflow.contract`) and who made the "
        "file (`tcellflow.note`). A null always means *missing*.\n"
    )
    for table in TABLES:
        yield from _describe_table(table)


def _describe_table(table: Table) -> Iterator[str]:
    yield f"### `{table.stamp}`\n"
    yield f"{table.meaning} Key: {', '.join(f'`{name}`' for name in table.key)}.\n"
    yield from _table(
        ("Column", "Type", "Null", "Allowed", "Meaning"),
        (
            (f"`{c.name}`", c.dtype, "yes" if c.nullable else "no", _allowed_in(c), c.meaning)
            for c in table.columns
        ),
    )


def _allowed_in(column: Column) -> str:
    if column.choices is not None:
        words = f"[{column.choices.__name__}](#{column.choices.__name__.lower()})"
        return ", ".join([words, *(f"`{word}`" for word in column.extra_choices)])
    if column.allowed:
        return ", ".join(f"`{word}`" for word in column.allowed)
    if column.pattern is not None:
        return f"`{column.pattern}`"
    low, high = column.low, column.high
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def _describe_anndata() -> Iterator[str]:
    yield "## AnnData files\n"
    for contract in ANNDATA_CONTRACTS:
        yield from _describe_anndata_contract(contract)


def _describe_anndata_contract(contract: AnnDataContract) -> Iterator[str]:
    yield f"### `{contract.stamp}`\n"
    yield f"{contract.meaning}\n"
    yield from _table(
        ("Entry", "Holds", "Always there", "Meaning"),
        (
            (f"`{_python_place(e.slot, e.name)}`", e.dtype, "yes" if e.required else "no", e.meaning)
            for e in contract.entries
        ),
    )


def _python_place(slot: str, name: str) -> str:
    return f'{slot}["{name}"]' if name else slot


def _describe_documents() -> Iterator[str]:
    yield "## JSON documents\n"
    yield (
        "What steps say of themselves. The key `tcellflow` tells who wrote the file. A null means *not "
        "measured*; an entry that is not always there is absent where it does not apply.\n"
    )
    for contract in DOCUMENTS:
        yield f"### `{contract.stamp()}`\n"
        yield f"`<s>.{contract.contract}.json`: {contract.meaning}\n"
        yield from _table(("Entry", "Holds", "Always there", "Meaning"), _list_entries(contract, {}))


def _list_entries(
    kind: type[Entries], seen: dict[type[Entries], str], prefix: str = ""
) -> Iterator[tuple[str, str, str, str]]:
    """Give one row per entry, an inner object's below it once; what every document has comes last."""
    own = {name: field for name, field in kind.model_fields.items() if name not in Document.model_fields}
    for name, field in {**own, **kind.model_fields}.items():
        place = prefix + (field.alias or name)
        always = "yes" if field.is_required() else "no"
        inner = _inner_model(field.annotation)
        same = f", as `{seen[inner]}`" if inner in seen else ""
        yield f"`{place}`", _holds(field.annotation, field.metadata) + same, always, field.description or ""
        if inner is not None and inner not in seen:
            seen[inner] = place
            inside = f"{place}[]." if _is_listed(field.annotation) else f"{place}."
            yield from _list_entries(inner, seen, inside)


def _inner_model(kind: Any) -> type[Entries] | None:
    if isinstance(kind, type) and issubclass(kind, Entries):
        return kind
    return next((model for part in get_args(kind) if (model := _inner_model(part)) is not None), None)


def _is_listed(kind: Any) -> bool:
    return get_origin(kind) is tuple or any(_is_listed(part) for part in get_args(kind))


def _holds(kind: Any, metadata: Iterable[Any] = ()) -> str:
    """Say in words what an entry holds."""
    inner = [part for part in get_args(kind) if part not in {NoneType, Ellipsis}]
    if get_origin(kind) in {Union, UnionType}:
        return f"{_holds(inner[0], metadata)} or null"
    if get_origin(kind) is Annotated:
        return _holds(inner[0], inner[1:])
    if get_origin(kind) is Literal:
        return ", ".join(f"`{word}`" for word in inner)
    if get_origin(kind) in {tuple, dict}:
        first = _holds(inner[0])
        name = "name" if first == "text" else first
        return f"list of {first}" if len(inner) == 1 else f"{_holds(inner[1])} by {name}"
    if isinstance(kind, type) and issubclass(kind, StrEnum | Entries):
        return f"[{kind.__name__}](#{kind.__name__.lower()})" if issubclass(kind, StrEnum) else "object"
    named = {bool: "true or false", int: "whole number", float: "number", str: "text", Any: "any value"}
    return " ".join([named[kind], *_limits_of(metadata)])


def _limits_of(metadata: Iterable[Any]) -> Iterator[str]:
    for part in metadata:
        limits = [*getattr(part, "metadata", ()), part]  # pydantic keeps the limits of a Field in a list
        low = next((limit.ge for limit in limits if getattr(limit, "ge", None) is not None), None)
        high = next((limit.le for limit in limits if getattr(limit, "le", None) is not None), None)
        yield from _bounds(low, high)


def _describe_words() -> Iterator[str]:
    yield "## Words\n"
    yield "The values of columns with a fixed vocabulary.\n"
    enums = [
        item
        for item in vars(vocabulary).values()
        if isinstance(item, type) and issubclass(item, StrEnum) and item is not StrEnum
    ]
    for enum in enums:
        yield f"### {enum.__name__}\n"
        yield f"{inspect.cleandoc(enum.__doc__ or '')}\n"
        yield ", ".join(f"`{member.value}`" for member in enum) + "\n"


def _describe_exit_codes() -> Iterator[str]:
    yield "## Exit codes\n"
    yield (
        "Every failure prints what is wrong, where, and how to mend it, on stderr. Scripts and workflow "
        "managers read the exit code; only 137 is worth a retry (with more memory).\n"
    )
    classes = {kind.exit_code: kind.__name__ for kind in TcellflowError.__subclasses__()}
    yield from _table(
        ("Code", "Meaning", "Error class"),
        (
            (str(int(code)), meaning, f"`{classes[code]}`" if code in classes else "")
            for code, meaning in EXIT_CODE_MEANINGS.items()
        ),
    )


def main() -> None:
    """Write the page, or compare it with the one on disk."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if the page is out of date"
    )
    wanted = write_reference()
    if not parser.parse_args().check:
        PAGE.write_text(wanted, encoding="utf-8")
        return
    found = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    if found != wanted:
        sys.stderr.writelines(
            difflib.unified_diff(
                found.splitlines(keepends=True), wanted.splitlines(keepends=True), "reference.md", "code", n=1
            )
        )
        sys.exit("docs/reference.md is out of date: run `make docs`")


if __name__ == "__main__":
    main()
