"""Any causal language model of a local Hugging Face folder, as a function from prompt to text.

Invariant: nothing is downloaded, no code of the folder is run, and no pickle is opened.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tcellflow.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONGEST: Final = 400  # tokens of an answer
_PICKLED: Final = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds no causal model in safetensors, or more than data.

    Raises
    ------
    InputError
        If it is no such folder, holds pickled weights, or asks for code of its own.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise InputError(
            "it is no Hugging Face folder: there is no config.json", where=folder,
            mend="name the folder of a causal language model with config.json, a tokeniser and *.safetensors",
        )  # fmt: skip
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _PICKLED)
    if pickled or not any(folder.glob("*.safetensors")):
        found = f"holds pickled weights ({', '.join(pickled[:3])})" if pickled else "holds no *.safetensors"
        raise InputError(
            f"the folder {found}; opening a pickle can run any program on this computer", where=folder,
            mend="save the model as safetensors, and take the pickled files out of the folder",
        )  # fmt: skip
    try:
        content = json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"config.json is not JSON: {error}", where=config, mend="fetch the folder again"
        ) from error
    if not isinstance(content, dict) or "auto_map" in content:
        raise InputError(
            "the model brings code of its own (auto_map), which is never run", where=config,
            mend="choose an architecture that the library transformers has",
        )  # fmt: skip


def open_causal_lm(folder: Path) -> Callable[[str], str]:
    """Open a model; what is given answers prompts greedily, the same prompt with the same text.

    Raises
    ------
    InputError
        As `check_folder`, or if the library cannot read the folder.
    """
    check_folder(folder)
    import torch  # noqa: PLC0415 (takes seconds, and is an extra)
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

    kept = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokeniser = AutoTokenizer.from_pretrained(folder, **kept)
        model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, **kept).eval()
    except (OSError, ValueError, KeyError, ImportError) as error:
        line = str(error).strip().partition("\n")[0]
        raise InputError(
            f"the library transformers cannot read it: {line}", where=folder,
            mend="name the folder of a causal language model with its tokeniser",
        ) from error  # fmt: skip
    most = getattr(model.config, "max_position_embeddings", None) or 1_000_000

    def speak(prompt: str) -> str:
        asked = tokeniser(prompt, return_tensors="pt")
        n = int(asked["input_ids"].shape[1])
        if n + LONGEST > most:
            raise InputError(
                f"the model reads {most} tokens; claims and answer take {n + LONGEST}", where=folder,
                mend="choose a model with a longer context, or --register short",
            )  # fmt: skip
        with torch.inference_mode():
            answer = model.generate(
                **asked, max_new_tokens=LONGEST, do_sample=False, num_beams=1,
                pad_token_id=tokeniser.eos_token_id or 0,
            )  # fmt: skip
        return str(tokeniser.decode(answer[0, n:], skip_special_tokens=True))

    return speak
