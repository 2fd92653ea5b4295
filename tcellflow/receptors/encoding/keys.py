"""Content hashes of receptors: which chains can be embedded, and under which key.

Invariant: a key depends on its fields alone, and two different sets of fields never encode to the
same bytes, so keys of any samples can be put together.
"""

from __future__ import annotations

import hashlib
import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.vocabulary import Locus

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

_KEY_BYTES = 10  # 20 hexadecimal digits; a collision among 10 million keys has a chance of 4e-11
MIN_JUNCTION_LENGTH: Final = 6
MAX_JUNCTION_LENGTH: Final = 40
_LETTERS_ONLY = re.compile(f"[{RESIDUES}]+")
# TRAJ35 ends in C; no J gene of the beta locus does.
_LAST_ANCHORS: Final = {Locus.TRA: "FWC", Locus.TRB: "FW"}


class NotEmbeddable(StrEnum):
    """Why a chain has no vector; the first that applies, in this order."""

    LOCUS = "locus_without_encoder"
    LETTERS = "letters_that_are_no_residues"
    ANCHORS = "anchors_missing"
    LENGTH = "too_short_or_too_long"


def content_hash(*fields: str | None) -> str:
    """Hash a list of fields into a key.

    Parameters
    ----------
    *fields
        Texts; None is distinct from every text.

    Returns
    -------
    str
        20 lower-case hexadecimal digits.

    Notes
    -----
    BLAKE2b of the fields as a JSON array, which quotes and escapes every field: fields that differ
    never give the same bytes.
    """
    text = json.dumps(fields, ensure_ascii=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("ascii"), digest_size=_KEY_BYTES).hexdigest()


def embedding_key(locus: str, junction_aa: str, v_call: str | None, j_call: str | None) -> str:
    """Give the key of one chain's vector.

    Parameters
    ----------
    locus
        AIRR locus.
    junction_aa
        CDR3 with both anchors.
    v_call, j_call
        IMGT names; None = unknown.

    Returns
    -------
    str
        20 hexadecimal digits.
    """
    return content_hash(str(locus), junction_aa, v_call, j_call)


def pair_key(tra_key: str, trb_key: str) -> str:
    """Give the key of the vector of an alpha-beta pair.

    Parameters
    ----------
    tra_key, trb_key
        Keys of the two chains.

    Returns
    -------
    str
        20 hexadecimal digits, different from every key of a chain.
    """
    return content_hash("pair", tra_key, trb_key)


def why_not_embeddable(locus: str, junction_aa: str) -> NotEmbeddable | None:
    """Say why a chain cannot be embedded, and so has no key.

    Returns
    -------
    NotEmbeddable or None
        None for a chain of TRA or TRB whose junction runs from C to F or W (TRA also C) with 4-38
        amino acids between.
    """
    anchors = _LAST_ANCHORS.get(Locus(locus))
    if anchors is None:
        return NotEmbeddable.LOCUS
    if not _LETTERS_ONLY.fullmatch(junction_aa):
        return NotEmbeddable.LETTERS
    if junction_aa[0] != "C" or junction_aa[-1] not in anchors:
        return NotEmbeddable.ANCHORS
    if not MIN_JUNCTION_LENGTH <= len(junction_aa) <= MAX_JUNCTION_LENGTH:
        return NotEmbeddable.LENGTH
    return None


def is_embeddable(locus: str, junction_aa: str) -> bool:
    """Tell whether a chain can be embedded, and so has a key."""
    return why_not_embeddable(locus, junction_aa) is None


def embedding_keys(chains: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Give the keys of many chains.

    Parameters
    ----------
    chains
        Columns ``locus``, ``junction_aa``, ``v_call`` and ``j_call`` (None = unknown).

    Returns
    -------
    numpy.ndarray
        (chains,) keys; None for chains that cannot be embedded.
    """
    columns = [chains[name].to_numpy(dtype=object) for name in ("locus", "junction_aa", "v_call", "j_call")]
    found: dict[tuple[str, str, str | None, str | None], str | None] = {}
    keys = np.empty(len(chains), dtype=object)
    for row, fields in enumerate(zip(*columns, strict=True)):
        if fields not in found:
            found[fields] = embedding_key(*fields) if is_embeddable(fields[0], fields[1]) else None
        keys[row] = found[fields]
    return keys
