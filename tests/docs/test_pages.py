"""What the documentation says is there, is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import typer.main

from docs.pages import ROOT, all_pages, anchors_of, blocks_of, links_of
from tcellflow.cli.app import app

MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
NOT_YET = re.compile(r"`tcellflow (?:describe|train)\b|bundle pull\b")


def _page_id(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", all_pages(), ids=_page_id)
def test_links_lead_somewhere(page):
    """Every relative link of a page names a file of the repository, and every anchor a heading."""
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors_of(target), link


@pytest.mark.parametrize("page", all_pages(), ids=_page_id)
def test_commands_on_the_page_exist(page):
    """Every tcellflow command in a page's blocks exists, with every option it is given there."""
    for words in _commands_on(page):
        command, rest = typer.main.get_command(app), words[1:]
        while rest and not rest[0].startswith("-") and rest[0] in getattr(command, "commands", {}):
            command, rest = command.commands[rest[0]], rest[1:]
        known = {name for p in command.params for name in [*p.opts, *p.secondary_opts]} | {"--help", "-h"}
        given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert given <= known, " ".join(words)
        if getattr(command, "commands", None):
            assert given & {"--help", "-h", "--version"}, " ".join(words)


def _commands_on(page):
    for block in blocks_of(page):
        if block.language not in {"bash", "console", "sh"}:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\||;|\$\(", line.removeprefix("$ ")):
                match = re.search(r"(?:^|\s)tcellflow(?=\s)", part.split("#")[0])
                if match:
                    yield shlex.split("tcellflow" + part.split("#")[0][match.end() :].replace("'\"", ""))


@pytest.mark.parametrize("page", all_pages(), ids=_page_id)
def test_make_targets_on_the_page_exist(page):
    """Every ``make`` target a page names is in the Makefile."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE))
    assert named <= MAKE_TARGETS


@pytest.mark.parametrize("page", all_pages(), ids=_page_id)
def test_pages_promise_nothing_that_is_not_there(page):
    """No page presents a command that this version does not have."""
    names = set(typer.main.get_command(app).commands)
    for promised in NOT_YET.findall(page.read_text(encoding="utf-8")):
        assert promised.split()[-1] in names, promised


def test_reference_is_what_the_code_says():
    """docs/reference.md is the page that docs/make_reference.py writes."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_reference.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
