"""``tcellflow bundle``: look at bundles and check them."""

from __future__ import annotations

import typer

bundle_app = typer.Typer(help="Look at the trained bundles and check them.", no_args_is_help=True)
