"""What the user should know before trusting a sample's fused vectors.

Invariant: a line for each thing that was left out or taken from elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tcellflow.inference.fusion.graph import CellGraph
    from tcellflow.inference.fusion.sample import FusedSample

_SHOWN: Final = 10  # names of antibodies


def list_warnings(fused: FusedSample, graph: CellGraph) -> list[str]:
    """List what lowers the trust in a sample's vectors and groups, as sentences."""
    found = [*_warn_of_genes(fused), *_warn_of_proteins(fused)]
    for name, has, own in zip(
        ("expression", "proteins"), (fused.has_rna, fused.has_adt), fused.sample.is_own, strict=True
    ):
        if has.any() and not own:
            found.append(
                f"fewer than 200 cells (of the reference, where one was given) have {name}, so scales are the"
                " bundle's"
            )
    return [*found, *_warn_of_landmarks(graph)]


def _warn_of_genes(fused: FusedSample) -> list[str]:
    coverage, share = fused.fuser.details.coverage, fused.sample.coverage[0]
    if not fused.has_rna.any() or share >= coverage.good:
        return []
    text = f"the sample measures {share:.0%} of the bundle's genes"
    if share >= coverage.least:
        return [text]
    is_used = fused.space.rna is not None
    return [
        f"{text}, too few to read: expression " + ("has axes of its own alone" if is_used else "was not used")
    ]


def _warn_of_proteins(fused: FusedSample) -> list[str]:
    proteins = fused.proteins
    found: list[str] = []
    if proteins is None:
        return found
    for names, what in (
        (proteins.panel.unknown, "antibodies are not known"),
        (proteins.constant, "proteins were left out, for no cell differs"),
    ):
        if names:
            found.append(f"{len(names)} {what}: " + ", ".join(names[:_SHOWN]))
    if not fused.sample.coverage[1]:
        found.append("no antibody measures a protein that the bundle knows")
    if proteins.n_unstained:
        found.append(
            f"{proteins.n_unstained} cells have no antibody count at all where others have many: they are"
            " taken for not measured"
        )
    lacking = int((fused.has_rna & ~fused.has_adt).sum())
    if lacking and fused.has_adt.any() and fused.space.adt is not None and fused.refit is None:
        found.append(
            f"{lacking} cells have no antibodies, so their vectors lie apart from the others'; --refit tells"
            " where proteins would put them"
        )
    return found


def _warn_of_landmarks(graph: CellGraph) -> list[str]:
    if graph.n_landmarks is None:
        return []
    landmarks = f"{graph.n_landmarks:,} evenly spaced cells"
    return [f"clusters and map are of {landmarks}; all others took after the nearest of them"]
