"""One fresh process: a network of TCR-BERT's published shape with random weights, run by transformers.

``one`` pads each junction to 32 tokens and runs it alone, ``batch`` runs 64 at once, padded the same;
``upstream`` pads batches to 64 and keeps all attentions, as the recipe of its authors does.
"""

import sys
import time
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

from benchmarks.harness.child import report_child
from benchmarks.receptors.speed_chains import load_chains

imports = time.process_time()
path, number, mode = sys.argv[1:]
RESIDUES = "RHKDESTNQCUGPAVILMFYW"  # in the order of its vocabulary
PAD, SEPARATOR, CLASS = 21, 24, 25
rows, length = {"one": (1, 32), "batch": (64, 32), "upstream": (64, 64)}[mode]
torch.set_num_threads(1)
torch.manual_seed(0)
config = BertConfig(
    vocab_size=26,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=1536,
    max_position_embeddings=64,
    pad_token_id=PAD,
    attn_implementation="eager" if mode == "upstream" else "sdpa",
)
model = BertModel(config).eval()
junctions = load_chains(Path(path)).junction_aa[: int(number)]
start = time.process_time()
for first in range(0, len(junctions), rows):
    texts = [[CLASS, *map(RESIDUES.index, text), SEPARATOR] for text in junctions[first : first + rows]]
    tokens = torch.tensor([text + [PAD] * (length - len(text)) for text in texts])
    with torch.no_grad():
        model(tokens, attention_mask=(tokens != PAD).long(), output_attentions=mode == "upstream")
report_child(imports, chains=len(junctions), embed_seconds=time.process_time() - start)
