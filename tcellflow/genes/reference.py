"""The packaged table of human genes: Ensembl ids, approved symbols and older names.

Invariant: what a name means is decided here alone; a name that is an approved symbol today is
never read as the older name of another gene.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Mapping

AMBIGUOUS_SEPARATOR: Final = "|"
ENSEMBL_ID: Final = re.compile(r"(ENSG\d{11})(?:\.\d+)?(_PAR_Y)?")
# Spreadsheets turn MARCH1, SEPT2 and DEC1 into dates, in the style of the writer's locale.
_DATE: Final = re.compile(
    r"(?:(?P<day>\d{1,2})-(?P<month>mar|sept?|dec)"
    r"|(?P<month2>mar|sept?|dec)-(?P<day2>\d{1,2})"
    r"|\d{4}-(?P<month3>03|09|12)-(?P<day3>\d{2})(?: 00:00:00)?"
    r"|(?P<month4>0?3|0?9|12)/(?P<day4>\d{1,2})(?:/\d{2,4})?)",
    re.IGNORECASE,
)
# AL627309.1, RP11-206L10.2, LL22NC03-63E9.3: genes named after the clone they were sequenced from
_CLONE_NAME: Final = re.compile(r"(?:[A-Z]{1,2}\d{5,6}|[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9-]+)\.\d+")
# Stems in order of preference within a month: SEP15 is a gene, but only where SEPT15 is none.
_STEMS_OF_MONTH: Final = {
    "mar": (("MARCH", "MARC"),),
    "03": (("MARCH", "MARC"),),
    "sep": (("SEPT",), ("SEP",)),
    "09": (("SEPT",), ("SEP",)),
    "dec": (("DEC",),),
    "12": (("DEC",),),
}


def is_clone_name(name: str) -> bool:
    """Say whether a name is a clone's, as genes have that a reference gives no symbol: ``RP11-206L10.2``."""
    return _CLONE_NAME.fullmatch(name) is not None


@dataclass(frozen=True)
class GeneReference:
    """Lookups of human genes.

    Parameters
    ----------
    approved
        Approved symbols.
    symbol_of_id
        Ensembl gene number (the digits of the id) to symbol.
    symbols_of_alias
        Older or unofficial name to its symbols, joined by "|" where there are several.
    """

    approved: frozenset[str]
    symbol_of_id: Mapping[int, str]
    symbols_of_alias: Mapping[str, str]

    def symbol_of(self, ensembl_id: str) -> str:
        """Look up the symbol of an Ensembl id without version; empty if it is unknown or unnamed."""
        return self.symbol_of_id.get(int(ensembl_id[4:15]), "") if ensembl_id else ""

    def candidates_of(self, name: str) -> tuple[str, ...]:
        """Look up what a name that is not an approved symbol may mean.

        Former symbols and aliases, names with dots for hyphens (as R writes column names:
        ``HLA.DRA``) and names that a spreadsheet turned into a date are understood.

        Returns
        -------
        tuple of str
            Approved symbols; empty if the name is unknown.
        """
        found = self.symbols_of_alias.get(name)
        if found is not None:
            return tuple(found.split(AMBIGUOUS_SEPARATOR))
        hyphenated = name.replace(".", "-")
        if hyphenated in self.approved:
            return (hyphenated,)
        return self._candidates_of_date(name) if name[:1].isdigit() or "-" in name else ()

    def _candidates_of_date(self, name: str) -> tuple[str, ...]:
        match = _DATE.fullmatch(name)
        if match is None:
            return ()
        parts = {key.rstrip("234"): text for key, text in match.groupdict().items() if text}
        month = parts["month"].lower()
        key = month[:3] if month.isalpha() else month.zfill(2)
        for stems in _STEMS_OF_MONTH[key]:
            meanings = [self.symbols_of_alias.get(f"{stem}{int(parts['day'])}", "") for stem in stems]
            known = sorted(
                {symbol for text in meanings if text for symbol in text.split(AMBIGUOUS_SEPARATOR)}
            )
            if known:
                return tuple(known)
        return ()


@cache
def read_gene_reference() -> GeneReference:
    """Read the reference of human genes, the packaged gene tables, once per process.

    Returns
    -------
    GeneReference
        About 43,000 approved symbols, 47,000 Ensembl ids and 80,000 older names.
    """
    folder = files("tcellflow") / "data"
    with (folder / "genes.parquet").open("rb") as handle:
        genes = pq.read_table(handle)
    with (folder / "gene_aliases.parquet").open("rb") as handle:
        aliases = pq.read_table(handle)
    symbols = genes["symbol"].to_pylist()
    numbers = genes["ensembl_number"].to_pylist()
    return GeneReference(
        approved=frozenset(symbols),
        symbol_of_id={n: s for n, s in zip(numbers, symbols, strict=True) if n is not None},
        symbols_of_alias=dict(zip(aliases["alias"].to_pylist(), aliases["symbols"].to_pylist(), strict=True)),
    )
