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
    found, coverage = [], fused.fuser.details.coverage
    share = fused.sample.coverage[0]
    if fused.has_rna.any() and share < coverage.least:
        found.append(f"expression was not used: the sample measures {share:.0%} of the bundle's genes")
    elif fused.has_rna.any() and share < coverage.good:
        found.append(f"the sample measures {share:.0%} of the bundle's genes")
    if fused.proteins is not None:
        panel = fused.proteins.panel
        if panel.unknown:
            found.append(
                f"{len(panel.unknown)} antibodies are not known: " + ", ".join(panel.unknown[:_SHOWN])
            )
        if fused.proteins.constant:
            constant = ", ".join(fused.proteins.constant[:_SHOWN])
            found.append(
                f"{len(fused.proteins.constant)} proteins were left out, for no cell differs: {constant}"
            )
        if not fused.sample.coverage[1]:
            found.append("no antibody measures a protein that the bundle knows")
    for name, has, own in zip(
        ("expression", "proteins"), (fused.has_rna, fused.has_adt), fused.sample.is_own, strict=True
    ):
        if has.any() and not own:
            found.append(f"fewer than 200 cells have {name}, so it is standardised by the bundle's cells")
    return [*found, *_warn_of_landmarks(graph)]


def _warn_of_landmarks(graph: CellGraph) -> list[str]:
    if graph.n_landmarks is None:
        return []
    landmarks = f"{graph.n_landmarks:,} evenly spaced cells"
    return [f"clusters and map are of {landmarks}; all others took after the nearest of them"]
