"""The language that contracts of JSON documents are written in: kinds of entries, and who wrote a document.

Invariant: nothing is converted in silence; null means "not measured" and an absent entry "not asked for".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from tcellflow.vocabulary import UNS_KEY

Text = Annotated[str, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Count = Annotated[int, Field(strict=True, ge=0)]
Number = Annotated[float, Field(strict=True)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Counts = dict[Text, Count]


class Entries(BaseModel):
    """An object of a document: its entries, no others, and never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Note(Entries):
    """Who wrote a file: step, version, options, inputs and bundle."""

    step: Text = Field(description="command that wrote the file")
    version: Text = Field(default="", description="version of tcellflow")
    options: dict[Text, Any] = Field(
        default={}, description="the options that change the content; never paths or thread counts"
    )
    inputs: dict[Text, Text] = Field(default={}, description="role of each input to its sha256")
    bundle: dict[Text, Text] = Field(
        default={}, description="name, version and sha256 of the bundle used; empty without one"
    )


class Document(Entries):
    """A whole document, which says who wrote it."""

    contract: ClassVar[str]
    version: ClassVar[int]
    meaning: ClassVar[str]

    note: Note = Field(alias=UNS_KEY, description="step, version, options, inputs and bundle")
    warnings: tuple[Text, ...] = Field(description="what the user should know, as sentences")

    @classmethod
    def stamp(cls) -> str:
        """Give the contract as ``name/version``."""
        return f"{cls.contract}/{cls.version}"


MEND: Final = "re-run the step that wrote the file"
