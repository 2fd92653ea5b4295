"""The page: one HTML file that loads nothing, reads without scripts and escapes every text.

Invariant: autoescaping is on for every template whatever its name, and the content security
policy lets run only the scripts and styles whose digests it names, and load nothing, even if markup slipped
through.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from tcellflow import __version__
from tcellflow.report.cohort.figures import draw_composition
from tcellflow.report.figures import draw_bar, draw_histogram, draw_strip
from tcellflow.report.heat import draw_heat
from tcellflow.report.maps.scatter import colour_class, draw_map, tell_script
from tcellflow.report.ridges import draw_ridges
from tcellflow.report.sections.programmes import draw_programmes
from tcellflow.report.wording import (
    EVIDENCE_MEANINGS,
    write_count,
    write_decimal,
    write_interval,
    write_name,
    write_part,
    write_plural,
    write_reason,
    write_share,
)
from tcellflow.vocabulary import OutputName, State, output_name

if TYPE_CHECKING:
    from tcellflow.report.cohort.content import Cohort
    from tcellflow.report.content import Report

_STYLE: Final = "style.css"
_LIBRARY: Final = "vendor/d3.min.js"
_SCRIPT: Final = "page.js"


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
        **_read_parts(),
        version=__version__,
        evidence_meanings=EVIDENCE_MEANINGS,
        csv_name=table,
        csv_link=f"./{quote(table)}",
    )


def render_cohort(cohort: Cohort) -> str:
    """Render the report of a cohort as one HTML page, the same bytes for the same content."""
    return (
        _make_environment()
        .get_template("cohort.html.j2")
        .render(cohort=cohort, states=[str(state) for state in State], version=__version__, **_read_parts())
    )


def _read_parts() -> dict[str, str]:
    """Read what every page brings: its policy, style, library and script."""
    parts = {name: _read_part(name) for name in (_STYLE, _LIBRARY, _SCRIPT)}
    return {
        "policy": _write_policy(parts),
        # Files of the package, not of the user; in another form their digests would not hold.
        "style": Markup(parts[_STYLE]),  # noqa: S704
        "library": Markup(parts[_LIBRARY]),  # noqa: S704
        "script": Markup(parts[_SCRIPT]),  # noqa: S704
    }


def _read_part(name: str) -> str:
    return resources.files("tcellflow.report").joinpath("templates", *name.split("/")).read_text("utf-8")


def _write_policy(parts: dict[str, str]) -> str:
    """Allow the page's own style and scripts by their digests, pictures made on the page, nothing else."""
    digests = {
        name: f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for name, text in parts.items()
    }
    return (
        f"default-src 'none'; script-src {digests[_LIBRARY]} {digests[_SCRIPT]}; "
        f"style-src {digests[_STYLE]}; img-src data:; base-uri 'none'; form-action 'none'"
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
        "interval": write_interval,
        "name": write_name,
        "reason": write_reason,
        "short": write_name,
    }
    environment.globals |= {
        "bar": draw_bar,
        "strip": draw_strip,
        "programmes": draw_programmes,
        "composition": draw_composition,
        "heat_map": draw_heat,
        "ridge_plot": draw_ridges,
        "histogram": draw_histogram,
        "scatter": draw_map,
        "script_data": tell_script,
        "colour": colour_class,
        "plural": write_plural,
    }
    return environment
