"""The kinds of values that ``bundle.json`` is made of, whatever the bundle's task.

Invariant: nothing is converted in silence: a number in quotes is no number, and true is none either.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import AfterValidator, ConfigDict, Field

if TYPE_CHECKING:
    from pydantic import ValidationInfo

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_LEAST_QUANTILES: Final = 2
# Entries that no reader here asks for may stand beside the others: makers of bundles note more than we use.
LOOSE: Final = ConfigDict(extra="ignore", allow_inf_nan=False)


def _check_digest(text: str) -> str:
    if not _SHA256.fullmatch(text):
        message = "is no sha256 digest"
        raise ValueError(message)
    return text


def _check_quantiles(values: tuple[float, ...]) -> tuple[float, ...]:
    is_whole = not values or len(values) >= _LEAST_QUANTILES
    if not is_whole or any(low > high for low, high in pairwise(values)):
        message = "is not two or more rising numbers"
        raise ValueError(message)
    return values


def check_is_listed(name: str, info: ValidationInfo, what: str) -> str:
    """Refuse a field of ``bundle.json`` that names a file that the bundle does not list.

    Raises
    ------
    ValueError
        If it does not.
    """
    if info.context is not None and name not in info.context["files"]:
        message = f"the {what} file is not listed under 'files'"
        raise ValueError(message)
    return name


Text = Annotated[str, Field(strict=True)]
Name = Annotated[str, Field(strict=True, min_length=1)]
Number = Annotated[float, Field(strict=True)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
NonNegative = Annotated[float, Field(strict=True, ge=0)]
Size = Annotated[int, Field(strict=True, gt=0)]
Sha256 = Annotated[str, Field(strict=True), AfterValidator(_check_digest)]
Quantiles = Annotated[tuple[Number, ...], AfterValidator(_check_quantiles)]
