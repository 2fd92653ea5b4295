"""The page: one HTML file that loads nothing, needs no script and escapes every text.

Invariant: autoescaping is on for every template whatever its name, and the content security
policy forbids scripts and outside loads even if something slipped through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from tcellflow import __version__
from tcellflow.report.figures import draw_bar, draw_histogram, draw_strip
from tcellflow.report.programmes import draw_programmes
from tcellflow.report.wording import (
    EVIDENCE_MEANINGS,
    write_count,
    write_decimal,
    write_name,
    write_part,
    write_plural,
    write_reason,
    write_share,
)
from tcellflow.vocabulary import OutputName, output_name

if TYPE_CHECKING:
    from tcellflow.report.content import Report


def render_page(report: Report) -> str:
    """Render the report as one HTML page.

    Parameters
    ----------
    report
        Everything the page says.

    Returns
    -------
    str
        A complete HTML document, the same bytes for the same content.
    """
    environment = _make_environment()
    # The link is relative: page and table are published into the same folder.
    table = output_name(report.prefix, OutputName.PREDICTIONS_CSV)
    return environment.get_template("report.html.j2").render(
        report=report,
        version=__version__,
        evidence_meanings=EVIDENCE_MEANINGS,
        csv_name=table,
        csv_link=f"./{quote(table)}",
    )


def _make_environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tcellflow.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": write_count,
        "share": write_share,
        "part": write_part,
        "decimal": write_decimal,
        "name": write_name,
        "reason": write_reason,
        "short": write_name,
    }
    environment.globals |= {
        "bar": draw_bar,
        "strip": draw_strip,
        "heat_map": draw_programmes,
        "histogram": draw_histogram,
        "plural": write_plural,
    }
    return environment
