"""The whole content of a report, computed from the inputs before any page is drawn.

Invariant: page and MultiQC section are both made from this one object, so their numbers agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tcellflow.report.maps.cell_map import map_cells
from tcellflow.report.sections.clones import summarise_clones
from tcellflow.report.sections.descriptions import summarise_descriptions
from tcellflow.report.sections.fusion import rank_proteins, summarise_fusion
from tcellflow.report.sections.junctions import summarise_junctions
from tcellflow.report.sections.neighbours import summarise_neighbours
from tcellflow.report.sections.overview import collect_warnings, make_cards, tell_header
from tcellflow.report.sections.programmes import summarise_programmes
from tcellflow.report.sections.proteins import tell_proteins
from tcellflow.report.sections.provenance import tell_limits, tell_steps
from tcellflow.report.sections.quality import summarise_quality
from tcellflow.report.sections.receptors import summarise_receptors
from tcellflow.report.sections.states import summarise_calls
from tcellflow.report.sections.verdict import judge_sample

if TYPE_CHECKING:
    from tcellflow.contracts.fuse import Fuse
    from tcellflow.report.inputs import ReportInputs, SourceFile
    from tcellflow.report.maps.cell_map import CellMap
    from tcellflow.report.sections.clones import CloneSection
    from tcellflow.report.sections.descriptions import DescriptionGroup
    from tcellflow.report.sections.fusion import FusionSection
    from tcellflow.report.sections.junctions import JunctionSection
    from tcellflow.report.sections.neighbours import NeighbourSection
    from tcellflow.report.sections.overview import Card, Header
    from tcellflow.report.sections.programmes import ProgrammeSection
    from tcellflow.report.sections.provenance import Step
    from tcellflow.report.sections.quality import QualitySection
    from tcellflow.report.sections.receptors import ReceptorSection
    from tcellflow.report.sections.states import CallSection
    from tcellflow.report.sections.truth import TruthSection
    from tcellflow.report.sections.verdict import Verdict

_PROTEINS_ON_MAP: Final = 12


@dataclass(frozen=True)
class Report:
    """Everything one page says; a section is None where no file speaks of it.

    Parameters
    ----------
    prefix
        Sample name in front of the file names.
    verdict
        Whether the sample can be trusted.
    header, cards, warnings
        Top of the page.
    quality, receptors, calls, programmes, clones, truth
        Sections.
    cell_map
        The map; None without vectors, predictions or cells.
    proteins
        Names and values about antibodies; empty without them.
    fusion, fuse
        RNA against protein, and the account of fuse; None where it did not run.
    descriptions
        Groups of cells in words; empty where describe did not run.
    junctions, neighbours
        Plots of CDR3 and genes, and the most similar receptors; None without them.
    steps, files, limits
        End of the page.
    """

    prefix: str
    verdict: Verdict
    header: Header
    cards: tuple[Card, ...]
    warnings: tuple[str, ...]
    quality: QualitySection | None
    receptors: ReceptorSection | None
    calls: CallSection | None
    programmes: ProgrammeSection | None
    clones: CloneSection | None
    truth: TruthSection | None
    cell_map: CellMap | None
    proteins: tuple[tuple[str, str], ...]
    fusion: FusionSection | None
    fuse: Fuse | None
    descriptions: tuple[DescriptionGroup, ...]
    junctions: JunctionSection | None
    neighbours: NeighbourSection | None
    steps: tuple[Step, ...]
    files: tuple[SourceFile, ...]
    limits: tuple[str, ...]


def compose_report(inputs: ReportInputs, prefix: str, truth: TruthSection | None = None) -> Report:
    """Compute the whole content of a report.

    Parameters
    ----------
    inputs
        The files of one sample.
    prefix
        Sample name in front of the file names.
    truth
        Comparison with labels of the user; None without them.

    Returns
    -------
    Report
        Content of the page and of the MultiQC section.
    """
    quality = summarise_quality(inputs.qc)
    receptors = summarise_receptors(inputs)
    clones = summarise_clones(inputs)
    calls = None if inputs.predictions is None else summarise_calls(inputs.predictions, inputs.metrics)
    return Report(
        prefix=prefix,
        verdict=judge_sample(inputs, quality, calls),
        header=tell_header(inputs, prefix),
        cards=make_cards(quality, receptors, clones, calls),
        warnings=collect_warnings(inputs, quality),
        quality=quality,
        receptors=receptors,
        calls=calls,
        programmes=summarise_programmes(inputs.metrics),
        clones=clones,
        truth=truth,
        cell_map=_make_map(inputs),
        proteins=tell_proteins(inputs.qc),
        fusion=summarise_fusion(inputs.fused, inputs.predictions, inputs.fuse),
        fuse=inputs.fuse,
        descriptions=summarise_descriptions(inputs.descriptions, inputs.claims),
        junctions=summarise_junctions(inputs.chains),
        neighbours=summarise_neighbours(inputs),
        steps=tell_steps(inputs),
        files=inputs.files,
        limits=tell_limits(calls, clones, inputs.metrics),
    )


def _make_map(inputs: ReportInputs) -> CellMap | None:
    if inputs.predictions is None or (inputs.latent is None and inputs.fused is None):
        return None
    fused = inputs.fused
    proteins = rank_proteins(fused, inputs.predictions)[:_PROTEINS_ON_MAP] if fused is not None else ()
    drawn = map_cells(inputs.latent, fused, inputs.predictions, proteins)
    return drawn if drawn.n_shown else None
