"""Run a notebook and keep what its cells say: needs neither Jupyter nor a kernel.

    python docs/make_notebook.py docs/notebook.ipynb            run it, store the outputs
    python docs/make_notebook.py docs/notebook.ipynb --check    run it, store nothing

Cells run in one namespace, in order, in a temporary folder. Of each are stored the printed text, the value of
its last expression and its figures. A cell that fails ends the run with its error.
"""

from __future__ import annotations

import argparse
import ast
import base64
import contextlib
import io
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def run_cell(source: str, names: dict[str, Any], title: str) -> list[dict[str, Any]]:
    """Run one cell and give its outputs as notebooks store them."""
    body = ast.parse(source, title).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), title, "exec"), names)  # noqa: S102 - the pages' own code
        value = None if last is None else eval(compile(ast.Expression(last.value), title, "eval"), names)  # noqa: S307
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if value is not None:
        outputs.append(_display({"text/plain": repr(value).splitlines(keepends=True), **_as_html(value)}))
    for number in plt.get_fignums():
        image = io.BytesIO()
        plt.figure(number).savefig(image, dpi=70, bbox_inches="tight", metadata={"Software": None})
        outputs.append(_display({"image/png": base64.b64encode(image.getvalue()).decode()}))
    plt.close("all")
    return outputs


def _as_html(value: object) -> dict[str, list[str]]:
    html = value._repr_html_() if hasattr(value, "_repr_html_") else None  # type: ignore[attr-defined]
    return {} if html is None else {"text/html": html.splitlines(keepends=True)}


def _display(data: dict[str, Any]) -> dict[str, Any]:
    return {"data": data, "metadata": {}, "output_type": "display_data"}


def run_notebook(document: dict[str, Any]) -> None:
    """Run all code cells of a notebook and put the outputs into it."""
    names: dict[str, Any] = {"__name__": "__main__"}
    count = 0
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            cell["execution_count"] = count
            cell["outputs"] = run_cell("".join(cell["source"]), names, f"cell {count}")


def main() -> None:
    """Run the notebook that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--check", action="store_true", help="store nothing")
    given = parser.parse_args()
    path = given.notebook.absolute()
    document = json.loads(path.read_text(encoding="utf-8"))
    warnings.simplefilter("ignore")  # of the libraries about one another
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        run_notebook(document)
        if folder in json.dumps(document) or f"{Path.home()}/" in json.dumps(document):
            raise SystemExit("an output names a path of this machine; change the cell that prints it")
    if not given.check:
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
