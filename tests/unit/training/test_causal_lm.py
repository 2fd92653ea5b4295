"""Language models of others: a local folder, safetensors alone, nothing run."""

from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from tcellflow.errors import InputError
from tcellflow.training.language.causal_lm import open_causal_lm


def save_model(folder, places=1024):
    """Save a tiny random GPT-2 with a tokeniser of words."""
    words = {word: i for i, word in enumerate(["<unk>", "<eos>", "cells", "CD4", "is", "absent", ".", "The"])}
    tokeniser = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokeniser.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokeniser, unk_token="<unk>", eos_token="<eos>").save_pretrained(
        folder
    )
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=places,
        n_embd=16,
        n_layer=1,
        n_head=2,
        eos_token_id=1,
        bos_token_id=1,
    )
    GPT2LMHeadModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def test_the_same_prompt_gets_the_same_text(tmp_path):
    """A model answers greedily, in words of its tokeniser."""
    speak = open_causal_lm(save_model(tmp_path))
    first = speak("The cells")
    assert speak("The cells") == first
    assert isinstance(first, str)


def test_a_model_that_reads_too_little_is_refused(tmp_path):
    """Claims that do not fit are an error rather than cut."""
    with pytest.raises(InputError, match="the model reads 64 tokens"):
        open_causal_lm(save_model(tmp_path, places=64))("The cells")


def test_folders_that_are_no_safe_model_are_refused(tmp_path):
    """No config, pickled weights, no weights, code of its own, a broken config and an unknown kind."""
    with pytest.raises(InputError, match=r"no config\.json"):
        open_causal_lm(tmp_path)
    config = tmp_path / "config.json"
    config.write_text("{}")
    with pytest.raises(InputError, match=r"holds no \*\.safetensors"):
        open_causal_lm(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(InputError, match=r"pickled weights \(pytorch_model\.bin\)"):
        open_causal_lm(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    config.write_text(json.dumps({"auto_map": {"AutoModel": "evil.Model"}}))
    with pytest.raises(InputError, match="code of its own"):
        open_causal_lm(tmp_path)
    config.write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        open_causal_lm(tmp_path)
    config.write_text(json.dumps({"model_type": "unheard-of"}))
    with pytest.raises(InputError, match="cannot read it"):
        open_causal_lm(tmp_path)
