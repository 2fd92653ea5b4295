"""The JSON documents that steps write, each with its contract, and the check against it.

The contract is not stamped into the file: files were written without a stamp before there was one, and a
stamp would change their bytes without telling a reader anything that the note's ``step`` does not tell.
Hence a document's contract follows from the step, and a later version may only add entries that may be
absent, so that one model reads every version; archived files of each hold that.

Invariant: what is written or read fits its contract, or is refused with all its faults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, cast

from tcellflow.contracts.embed import Embed
from tcellflow.contracts.entries import MEND, Document
from tcellflow.contracts.faults import raise_faults, validate
from tcellflow.contracts.fuse import Fuse
from tcellflow.contracts.metrics import Metrics
from tcellflow.contracts.qc import Qc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcellflow.provenance import JsonValue

_Document = TypeVar("_Document", bound=Document)
DOCUMENTS: Final[tuple[type[Document], ...]] = (Qc, Embed, Metrics, Fuse)


def check_document(
    content: Mapping[str, JsonValue], contract: type[_Document], *, where: object
) -> _Document:
    """Parse a JSON document of a step and check it against its contract.

    Raises
    ------
    ContractError
        If it breaks the contract; all faults together, each with place and mend.
    """
    document, faults = validate(content, contract, mend=MEND)
    raise_faults(faults, stamp=contract.stamp(), where=where)
    return cast("_Document", document)  # None has faults
