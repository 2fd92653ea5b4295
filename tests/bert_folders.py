"""Hugging Face folders of TCR-BERT with random weights, as its authors publish them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = [*"RHKDESTNQCUGPAVILMFYW", "$", ".", "?", "|", "*"]
SPECIAL = {"unk_token": "?", "sep_token": "|", "pad_token": "$", "cls_token": "*", "mask_token": "."}
# 12 layers, 768 wide, 12 heads: the published configuration
PUBLISHED = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 64,
}
SMALL = {
    **PUBLISHED,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 48,
}


def write_tokeniser(folder: Path, *, tokens: list[str] = TOKENS, **changes: Any) -> None:
    """Write the files of a tokeniser."""
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(SPECIAL))
    settings = {"do_lower_case": False, "tokenizer_class": "BertTokenizer", **SPECIAL, **changes}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def write_bert_folder(
    folder: Path,
    *,
    size: dict[str, int] = SMALL,
    spread: float = 4,
    has_classifier: bool = False,
    as_bin: bool = False,
) -> Path:
    """Write a folder with random weights; the published stage 2 has a classifier, stage 1 a mask head."""
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(TOKENS), pad_token_id=21, num_labels=45, **size)
    model = (BertForSequenceClassification if has_classifier else BertForMaskedLM)(config)
    with torch.no_grad():  # the default spread of 0.02 leaves all junctions of a small network nearly alike
        for weight in model.parameters():
            weight.mul_(spread)
    if as_bin:
        config.architectures = [type(model).__name__]
        config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    else:
        model.save_pretrained(folder)
    write_tokeniser(folder)
    return folder
