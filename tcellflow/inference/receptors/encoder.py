"""Receptor encoders: receptor chains in, vectors out.

Invariant: what an encoder says of a chain depends on its locus, junction, V and J gene alone, never on
the other chains, their order, the thread count or the process (`PYTHONHASHSEED` included).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from tcellflow.errors import BundleError, OptionsError
from tcellflow.inference.receptors.kmers import KmerEncoder
from tcellflow.inference.receptors.network import NetworkEncoder
from tcellflow.io.bundles.folders import PACKAGED_FOLDER, find_bundle, list_bundles, read_bundle
from tcellflow.vocabulary import Locus, ReceptorBackend

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from tcellflow.inference.session import Device
    from tcellflow.io.bundles.folders import Bundle
    from tcellflow.provenance import JsonValue
    from tcellflow.receptors.encoding.sequences import ChainSequences

    Vectors = npt.NDArray[np.float32]

BACKENDS: Final = tuple(str(backend) for backend in ReceptorBackend)
# Bundle that a backend takes where none is named.
DEFAULT_BUNDLES: Final = {ReceptorBackend.NATIVE: "receptors", ReceptorBackend.TCR_BERT: "tcr-bert"}
_NO_BUNDLE: Final = {
    ReceptorBackend.NATIVE: "reinstall tcellflow, name another bundle with --receptors-bundle, or use "
    "--backend kmer, which needs none",
    ReceptorBackend.TCR_BERT: "make one with 'tcellflow bundle import tcr-bert FOLDER' and name it with "
    "--receptors-bundle",
}


class ChainEncoder(Protocol):
    """The seam every receptor encoder fits: chains in, features of one width out.

    Attributes
    ----------
    name
        Backend name as given to ``--backend``.
    dimension
        Width D of features and vectors.
    pooling
        How residues become one vector.
    max_length
        Longest junction in residues; longer ones are cut in the middle (`cut_middle`).
    loci
        Loci it can embed.
    bundle
        The trained bundle, None for an encoder without weights.
    scales_chains
        Whether the vector of a chain is its features at unit length, or the features as they are.
    """

    name: str
    dimension: int
    pooling: str
    max_length: int
    loci: frozenset[Locus]
    bundle: Bundle | None
    scales_chains: bool

    def embed_chains(self, chains: ChainSequences) -> Vectors:
        """Compute the features of chains, which those of a pair's chains add up to its vector.

        Parameters
        ----------
        chains
            B chains of covered loci.

        Returns
        -------
        numpy.ndarray
            (B, D) float32.
        """


@dataclass(frozen=True)
class EncoderChoice:
    """Which encoder is asked for; made by `choose_encoder`.

    Parameters
    ----------
    backend
        How receptors become vectors.
    bundle
        The verified bundle behind it, None for an encoder without weights.
    forces_tra
        Whether alpha chains are embedded by weights that know beta chains alone.
    """

    backend: ReceptorBackend
    bundle: Bundle | None
    forces_tra: bool = False

    @property
    def name(self) -> str:
        """Name of the bundle, or of the backend where there is none."""
        return str(self.backend) if self.bundle is None else self.bundle.description.name

    def makes(self, encoder: str, sha256: str | None) -> bool:
        """Tell whether its vectors are those that something learnt from.

        Parameters
        ----------
        encoder
            Name of a backend or bundle.
        sha256
            Digest of the bundle, None for an encoder without weights.

        Returns
        -------
        bool
            Whether name and digest agree.
        """
        digest = None if self.bundle is None else self.bundle.sha256
        return encoder in {str(self.backend), self.name} and sha256 == digest

    def note(self) -> dict[str, JsonValue]:
        """Give what a step's provenance note says about the bundle.

        Returns
        -------
        dict
            As `Bundle.note`; empty without a bundle.
        """
        return {} if self.bundle is None else self.bundle.note()

    def open(self, *, threads: int | None = None, device: Device = "auto") -> ChainEncoder:
        """Load the encoder.

        Parameters
        ----------
        threads
            CPU threads; those this process may use if not given.
        device
            ``cpu``, ``cuda`` or ``auto``; without effect where there is no network.

        Returns
        -------
        ChainEncoder
            Ready to embed.
        """
        if self.bundle is None:
            return KmerEncoder()
        extra = {Locus.TRA} if self.forces_tra else set()
        return NetworkEncoder(self.bundle, threads=threads, device=device, extra_loci=frozenset(extra))


def choose_encoder(backend: str, bundle: str | None = None, *, force_tra: bool = False) -> EncoderChoice:
    """Find the receptor encoder of a backend, and verify its bundle.

    Parameters
    ----------
    backend
        One of `BACKENDS`.
    bundle
        Name or folder of a receptors bundle; that of `DEFAULT_BUNDLES` if not given.
    force_tra
        Whether alpha chains are to be embedded by weights that know beta chains alone.

    Returns
    -------
    EncoderChoice
        What `EncoderChoice.open` loads.

    Raises
    ------
    OptionsError
        If there is no such backend, or it takes none of the other options.
    BundleError
        If the bundle is missing, damaged, of another task or made for another backend.
    """
    if backend not in BACKENDS:
        raise OptionsError(
            f"there is no receptor backend {backend!r}",
            where="--backend",
            mend="choose one of: " + ", ".join(BACKENDS),
        )
    kind = ReceptorBackend(backend)
    if force_tra and kind != ReceptorBackend.TCR_BERT:
        raise OptionsError(
            f"the backend {backend} has no weights for beta chains alone",
            where="--force-tra",
            mend="leave it out, or add --backend tcr-bert",
        )
    if kind.is_learned:
        return EncoderChoice(kind, _read_encoder_bundle(kind, bundle), force_tra)
    if bundle is not None:
        raise OptionsError(
            f"the backend {backend} takes no bundle",
            where="--receptors-bundle",
            mend="leave it out, or choose another backend",
        )
    return EncoderChoice(kind, None)


def find_encoder(name: str) -> EncoderChoice:
    """Find a receptor encoder by one name, and verify its bundle.

    Parameters
    ----------
    name
        One of `BACKENDS`, or the name or folder of a receptors bundle.

    Returns
    -------
    EncoderChoice
        What `EncoderChoice.open` loads.

    Raises
    ------
    BundleError
        If there is no such backend or bundle, or it is damaged or of another task.
    """
    if name in BACKENDS:
        return choose_encoder(name)
    return choose_encoder(str(read_bundle(find_bundle(name)).receptors.backend), name)


def check_loci(encoder: ChainEncoder, chains: pd.DataFrame, *, mend: str) -> None:
    """Refuse alpha chains where an encoder knows beta chains alone: their vectors would mean nothing.

    Parameters
    ----------
    encoder
        What is to embed them.
    chains
        Columns ``locus`` and ``emb_id`` (missing = not to be embedded).
    mend
        What the user can do about it.

    Raises
    ------
    BundleError
        If there is such a chain.
    """
    if Locus.TRA in encoder.loci or encoder.bundle is None:
        return
    n_alphas = int(((chains["locus"] == Locus.TRA) & chains["emb_id"].notna()).sum())
    if n_alphas:
        raise BundleError(
            f"the bundle learnt beta chains alone, and {n_alphas:,} of the chains are alpha chains",
            where=encoder.bundle.folder,
            mend=mend,
        )


def _read_encoder_bundle(kind: ReceptorBackend, name: str | None) -> Bundle:
    default = DEFAULT_BUNDLES[kind]
    if name is None and default not in {place.name for place in list_bundles()}:
        raise BundleError(
            f"the bundle '{default}' is not there", where=PACKAGED_FOLDER, mend=_NO_BUNDLE[kind]
        )
    bundle = read_bundle(find_bundle(name or default))
    if bundle.receptors.backend != kind:
        raise BundleError(
            f"the bundle was made for the backend {bundle.receptors.backend}",
            where=bundle.folder,
            mend=f"add --backend {bundle.receptors.backend}, or name another bundle with --receptors-bundle",
        )
    return bundle
