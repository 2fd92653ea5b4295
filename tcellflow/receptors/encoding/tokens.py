"""Receptor chains as whole numbers: what the native encoder reads, in training and at run time alike.

Invariant: the numbers of a chain depend on that chain and the vocabulary alone, and padding is
0 in every array, so that a padded batch says which residues are real.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tcellflow.errors import BundleError, InputError
from tcellflow.receptors.encoding.sequences import RESIDUES
from tcellflow.receptors.germline import load_genes, rearranging_families

if TYPE_CHECKING:
    import numpy.typing as npt

    from tcellflow.receptors.encoding.sequences import ChainSequences, Strings

    Tokens = npt.NDArray[np.int64]

VOCABULARY_FORMAT: Final = 1
PADDING: Final = 0
MASKED: Final = 1
FIRST_RESIDUE: Final = 2
UNKNOWN_GENE: Final = 0
TOKEN_INPUTS: Final = ("locus", "residues", "v_call", "j_call")
_KEYS: Final = ("format", "residues", "loci", "v_calls", "j_calls")
_MEND: Final = "fetch the bundle again, or have its maker mend it"
_ABSENT: Final = -1

# Token of each byte value; letters that are no residues are absent.
_TOKEN_OF_BYTE: Final = np.full(256, _ABSENT, np.int64)
_TOKEN_OF_BYTE[np.frombuffer(RESIDUES.encode(), np.uint8)] = np.arange(len(RESIDUES)) + FIRST_RESIDUE


@dataclass(frozen=True)
class ReceptorVocabulary:
    """The names an encoder knows; the number of a gene is its place, counted from 1.

    Parameters
    ----------
    loci
        AIRR loci, numbered from 0.
    v_calls, j_calls
        IMGT genes and families; 0 stands for every other name.
    """

    loci: tuple[str, ...]
    v_calls: tuple[str, ...]
    j_calls: tuple[str, ...]

    @cached_property
    def _locus_ids(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.loci)}

    @cached_property
    def _v_ids(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.v_calls, 1)}

    @cached_property
    def _j_ids(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.j_calls, 1)}

    def tokenise(self, chains: ChainSequences) -> dict[str, Tokens]:
        """Turn chains into the inputs of the encoder.

        Parameters
        ----------
        chains
            B chains of covered loci; a V or J gene that is unknown, or a name the vocabulary
            does not hold, becomes `UNKNOWN_GENE`.

        Returns
        -------
        dict
            `TOKEN_INPUTS`, all int64: ``locus`` (B,), ``residues`` (B, L) padded with `PADDING` to
            the longest junction, ``v_call`` (B,) and ``j_call`` (B,).

        Raises
        ------
        InputError
            If a locus is not covered, or a junction is empty or holds other letters than the 20
            amino acids.
        """
        return {
            "locus": self._tokenise_loci(chains.locus),
            "residues": tokenise_junctions(chains.junction_aa),
            "v_call": _number(chains.v_call, self._v_ids),
            "j_call": _number(chains.j_call, self._j_ids),
        }

    def _tokenise_loci(self, loci: Strings) -> Tokens:
        unknown = sorted({str(locus) for locus in loci} - self._locus_ids.keys())
        if unknown:
            raise InputError(
                f"the encoder does not cover the locus {unknown[0]!r}",
                where="receptor chains",
                mend=f"give chains of {', '.join(self.loci)}",
            )
        return np.fromiter((self._locus_ids[locus] for locus in loci), np.int64, len(loci))

    def to_json(self) -> str:
        """Write the vocabulary as the bundle's file.

        Returns
        -------
        str
            JSON with a final newline; the same vocabulary gives the same text.
        """
        document = {
            "format": VOCABULARY_FORMAT,
            "residues": RESIDUES,
            "loci": self.loci,
            "v_calls": self.v_calls,
            "j_calls": self.j_calls,
        }
        return json.dumps(document, indent=1) + "\n"


def build_vocabulary() -> ReceptorVocabulary:
    """Build the vocabulary of the native encoder's tokens: every gene that can rearrange, and families.

    Returns
    -------
    ReceptorVocabulary
        Genes in the order of the germline table, then families. Orphons lie on other chromosomes and
        are left out; pseudogenes are met in contig files and are not.
    """
    genes = [
        gene for gene in load_genes().values() if gene.locus in {"TRA", "TRB"} and "/OR" not in gene.name
    ]
    families = {
        segment: tuple(name for name, members in rearranging_families().items() if name[3] == segment)
        for segment in "VJ"
    }
    names = {segment: tuple(gene.name for gene in genes if gene.segment == segment) for segment in "VJ"}
    return ReceptorVocabulary(
        loci=("TRA", "TRB"),
        v_calls=names["V"] + tuple(name for name in families["V"] if name not in names["V"]),
        j_calls=names["J"] + tuple(name for name in families["J"] if name not in names["J"]),
    )


def parse_vocabulary(text: str, *, where: object) -> ReceptorVocabulary:
    """Parse the file of the native encoder's token vocabulary, and trust nothing in it.

    Raises
    ------
    BundleError
        If it is no JSON object of this format, its residues are not the 20 amino acids in the
        order the network was trained with, or a list of names is empty, repeats a name or holds
        one of another segment.
    """
    document = _load_object(text, where)
    if document.get("format") != VOCABULARY_FORMAT:
        raise BundleError(
            f"the vocabulary has format {document.get('format')!r}; this version reads {VOCABULARY_FORMAT}",
            where=where,
            mend="use a bundle made for this version of tcellflow",
        )
    faults = [f"'{key}' is missing" for key in _KEYS if key not in document]
    faults += [f"'{key}' is not known" for key in sorted(document.keys() - set(_KEYS))]
    if document.get("residues") != RESIDUES:
        faults.append(f"the residues are {document.get('residues')!r} instead of {RESIDUES!r}")
    names = {key: _read_names(document.get(key), key, faults) for key in ("loci", "v_calls", "j_calls")}
    faults += [
        f"the locus {name!r} is neither TRA nor TRB" for name in names["loci"] if name not in ("TRA", "TRB")
    ]
    for key, segment in (("v_calls", "V"), ("j_calls", "J")):
        misplaced = [name for name in names[key] if not name.startswith((f"TRA{segment}", f"TRB{segment}"))]
        faults += [f"{name!r} among '{key}' is no such gene" for name in misplaced[:3]]
    if faults:
        raise BundleError("the vocabulary is wrong: " + "; ".join(faults[:20]), where=where, mend=_MEND)
    return ReceptorVocabulary(names["loci"], names["v_calls"], names["j_calls"])


def _load_object(text: str, where: object) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError("the vocabulary is no JSON", where=where, mend=_MEND) from error
    if not isinstance(document, dict):
        raise BundleError("the vocabulary is no JSON object", where=where, mend=_MEND)
    return document


def _read_names(value: object, key: str, faults: list[str]) -> tuple[str, ...]:
    if not (isinstance(value, list) and value and all(isinstance(name, str) for name in value)):
        faults.append(f"'{key}' is no list of names")
        return ()
    if len(set(value)) < len(value):
        faults.append(f"'{key}' repeats a name")
    return tuple(value)


def tokenise_junctions(junctions: Strings) -> Tokens:
    """Turn junctions into the tokens of the native encoder.

    Parameters
    ----------
    junctions
        (B,) amino acids in upper case.

    Returns
    -------
    numpy.ndarray
        (B, L) int64 with L the longest length; `PADDING` behind shorter ones.

    Raises
    ------
    InputError
        If one is empty or holds other letters.
    """
    lengths = np.fromiter(map(len, junctions), np.int64, len(junctions))
    letters = np.frombuffer("".join(junctions).encode("utf-8", "replace"), np.uint8)
    tokens = _TOKEN_OF_BYTE[letters]
    is_plain = len(letters) == lengths.sum() and (tokens != _ABSENT).all() and (lengths > 0).all()
    if not is_plain:
        wrong = next(text for text in junctions if not text or set(text) - set(RESIDUES))
        raise InputError(
            f"the junction {wrong!r} is not made of the 20 amino acids",
            where="junction_aa",
            mend="give junctions as upper-case amino acids with both anchors",
        )
    padded = np.full((len(junctions), int(lengths.max(initial=0))), PADDING, np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = tokens
    return padded


def _number(names: Strings, ids: dict[str, int]) -> Tokens:
    return np.fromiter((ids.get(name, UNKNOWN_GENE) for name in names), np.int64, len(names))
