"""Former names of options: today one name means one thing in all commands, and old command lines run on.

Invariant: a former name stands for nothing else in its command today.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_EVIDENCE: Final = {"--genes": "--evidence-genes"}
_TRAINING: Final = {"--genes": "--panel-genes", "--steps": "--training-steps"}
FORMER_NAMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "run": _EVIDENCE,
        "predict": _EVIDENCE,
        "embed-tcr": {"--bundle": "--receptors-bundle", "--chains": "--which-chains"},
        "fuse": {"--bundle": "--fusion-bundle"},
        "train states": {**_TRAINING, "--receptors": "--encoder"},
        "train fusion": _TRAINING,
        "train receptors": {"--steps": "--training-steps"},
    }
)


def accept_former_names(command: Any, path: str = "") -> None:
    """Let a command and all commands below it understand the former names of their options.

    Parameters
    ----------
    command
        As ``typer.main.get_command`` gives it.
    path
        The words by which it is called.
    """
    for name, below in getattr(command, "commands", {}).items():
        accept_former_names(below, f"{path} {name}".strip())
    names = FORMER_NAMES.get(path)
    if names is not None:
        parse = command.parse_args
        command.parse_args = lambda context, words: parse(context, rename_options(words, names))


def rename_options(words: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Replace former names among the words of a command line, up to ``--``.

    Parameters
    ----------
    words
        As ``--genes 5`` or ``--genes=5``.
    names
        Former name to today's.
    """
    end = words.index("--") if "--" in words else len(words)
    renamed = []
    for word in words[:end]:
        name, mark, value = word.partition("=")
        renamed.append(f"{names.get(name, name)}{mark}{value}")
    return [*renamed, *words[end:]]
