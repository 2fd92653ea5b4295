"""``report``: one self-contained page and MultiQC's sections from the files of a sample.

Invariant: the step computes nothing anew; every number on the page is counted from the files it
was given, and what was not given is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tcellflow.errors import OptionsError
from tcellflow.io.outputs.staging import stage_outputs
from tcellflow.io.tables.documents import write_json
from tcellflow.report.cohort.content import compose_cohort
from tcellflow.report.cohort.samples import read_cohort
from tcellflow.report.content import compose_report
from tcellflow.report.inputs import read_report_inputs
from tcellflow.report.multiqc import make_sections
from tcellflow.report.page import render_cohort, render_page
from tcellflow.report.sections.truth import compare_with_truth, read_true_labels
from tcellflow.steps.options import ReportOptions
from tcellflow.steps.progress import quiet
from tcellflow.vocabulary import OutputName

if TYPE_CHECKING:
    from pathlib import Path

    from tcellflow.report.inputs import ReportInputs
    from tcellflow.report.sections.truth import TruthSection
    from tcellflow.steps.progress import Progress

__all__ = ["OF_MULTIQC", "ReportOptions", "report"]

OF_MULTIQC: Final = (OutputName.MULTIQC, OutputName.MULTIQC_GENERAL, OutputName.MULTIQC_STATES)


def report(options: ReportOptions, *, progress: Progress = quiet) -> list[Path]:
    """Run the step report: write the report of one sample, or of a cohort where folders are named.

    Parameters
    ----------
    options
        What to report on.
    progress
        Called with (done, total).

    Returns
    -------
    list of pathlib.Path
        ``<prefix>.report.html`` and, for one sample, what MultiQC merges: ``<prefix>_mqc.json``,
        ``<prefix>.general_mqc.json``, ``<prefix>.states_mqc.json``.

    Raises
    ------
    InputError
        If a file cannot be read, is of no use to a report or belongs to another sample, or no file
        is found.
    ContractError
        If a table breaks its contract.
    OptionsError
        If labels are given without predictions to compare them with.
    OutputError
        If an output cannot be written, or exists without `force`.
    """
    if options.is_cohort:
        return _report_cohort(options, progress)
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        page_path = outputs.path(OutputName.REPORT)
        section_paths = {name: outputs.path(name) for name in OF_MULTIQC}
        paths = options.find_files()
        inputs = read_report_inputs(paths, with_latent=options.map_cells)
        progress(1, 3)
        content = compose_report(inputs, options.prefix, _compare(options, inputs))
        progress(2, 3)
        page_path.write_text(render_page(content), encoding="utf-8", newline="\n")
        for name, section in make_sections(content).items():
            write_json(section_paths[name], section)
        finished = outputs.commit()
        progress(3, 3)
        return finished


def _report_cohort(options: ReportOptions, progress: Progress) -> list[Path]:
    with stage_outputs(options.output, options.prefix, force=options.force) as outputs:
        page_path = outputs.path(OutputName.REPORT)
        samples = read_cohort(options.files)
        progress(1, 2)
        content = compose_cohort(samples, options.prefix)
        page_path.write_text(render_cohort(content), encoding="utf-8", newline="\n")
        finished = outputs.commit()
        progress(2, 2)
        return finished


def _compare(options: ReportOptions, inputs: ReportInputs) -> TruthSection | None:
    if options.true_labels is None:
        return None
    if inputs.predictions is None:
        raise OptionsError(
            "labels were given, but there are no predictions to compare them with",
            where="--true-labels",
            mend="run tcellflow predict first, or leave the option out",
        )
    return compare_with_truth(inputs.predictions, read_true_labels(options.true_labels))
