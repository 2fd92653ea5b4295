"""The faults of a file against its contract, told together and each with its place and its mend.

Invariant: whoever checks a file looks at all of it and reports every fault (up to `MAX_FAULTS`), so that
it is mended in one go; pydantic's words are turned into ours here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from tcellflow.errors import ContractError, TcellflowError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

_T = TypeVar("_T")
MAX_FAULTS: Final = 20
_SHOWN: Final = 60  # characters of a wrong value
_KINDS: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "an object",
    "model_type": "an object",
    "dataclass_type": "an object",
}


@dataclass(frozen=True)
class Fault:
    """One way a file breaks its contract."""

    what: str
    place: str
    mend: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what} ({self.mend})"


def raise_faults(
    faults: Sequence[Fault],
    *,
    stamp: str,
    where: object,
    mend: str = "mend the places listed, or re-run the step that wrote the file",
    error: type[TcellflowError] = ContractError,
) -> None:
    """Refuse a file with all its faults; nothing happens where there is none.

    Parameters
    ----------
    faults
        What was found.
    stamp
        Contract name and version.
    where
        File concerned.
    mend
        What to do about several faults; a single one tells its own mend.
    error
        Kind of error to raise.

    Raises
    ------
    TcellflowError
        If there is any fault; of the kind asked for.
    """
    if not faults:
        return
    if len(faults) == 1:
        first = faults[0]
        raise error(f"{first.place}: {first.what}", where=where, mend=first.mend)
    shown = "\n".join(f"    - {fault}" for fault in faults[:MAX_FAULTS])
    rest = f"\n    - and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
    raise error(
        f"{len(faults)} faults against the contract {stamp}:\n{shown}{rest}",
        where=where,
        mend=mend,
    )


def validate(
    content: object, kind: type[_T], *, mend: str, context: Mapping[str, Any] | None = None
) -> tuple[_T | None, list[Fault]]:
    """Parse JSON content into a pydantic model or dataclass, and tell all faults in our words.

    Parameters
    ----------
    content
        A JSON value.
    kind
        The model. A validator of it that raises ``ValueError`` gives a whole sentence beginning with
        "the ", or what is wrong with the entry itself ("is no digest").
    mend
        What to do about any fault.
    context
        What validators of the model may ask for.

    Returns
    -------
    parsed
        The model; None where there is a fault.
    faults : list of Fault
        All of them, in the order of the model.
    """
    try:
        return TypeAdapter(kind).validate_python(content, context=context), []
    except ValidationError as error:
        return None, [_translate(details, mend) for details in error.errors(include_url=False)]


def _translate(details: ErrorDetails, mend: str) -> Fault:
    loc = tuple(part for part in details["loc"] if part != "[key]")  # pydantic's mark of a key that is wrong
    what = _tell(details)
    if what.startswith("the "):
        return Fault(what, _address(loc), mend)
    if not loc:
        return Fault(f"the content {what}", _address(loc), mend)
    *parents, key = loc
    return Fault(
        f"'{key}' {what}" if isinstance(key, str) else f"entry {key} {what}", _address(parents), mend
    )


def _tell(details: ErrorDetails) -> str:
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is unknown to this version"
    if kind == "value_error":
        return str(details["ctx"]["error"])
    if kind in _KINDS:
        return f"is {_name(value)} instead of {_KINDS[kind]}"
    shown = repr(value)
    if isinstance(value, list | dict):
        shown = _name(value)
    rule = details["msg"].partition(" should ")[2] or details["msg"]
    return f"is {shown[:_SHOWN]}, but should {rule}"


def _name(value: object) -> str:
    return "null" if value is None else f"a {type(value).__name__}"


def _address(loc: Sequence[int | str]) -> str:
    """Write a place as ``abstention.curve[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "top level"
