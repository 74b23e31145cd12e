"""A shop whose texts tell what its people have together, and a tiny transformer to learn it."""

import numpy as np
import scipy.sparse as sp
import torch
from torch.utils._python_dispatch import TorchDispatchMode

STYLES = ("red", "oak", "ice", "fog", "sun", "tin")
SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def texts_and_people(items=60, people=80, each=6):
    """Each person has items of one style; titles name the style beside words of chance."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    noise = ["".join(rng.choice(letters, 4)) for _ in range(items)]
    texts = [f"{noise[i]} {STYLES[i % len(STYLES)]} {noise[-i - 1]}" for i in range(items)]
    had = np.zeros((people, items), np.float32)
    for person in range(people):
        of_style = np.arange(person % len(STYLES), items, len(STYLES))
        had[person, rng.choice(of_style, each, replace=False)] = 1
    return texts, sp.csr_matrix(had)


def write_bert(folder):
    """A transformer with weights of chance that reads letters, and the styles as words."""
    import transformers

    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *STYLES, *letters]
    words += [f"##{one}" for one in letters]
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=len(words), **SMALL)
    transformers.BertModel(config).save_pretrained(folder)
    vocab = folder.parent / "vocab.txt"
    vocab.write_text("\n".join(words))
    transformers.BertTokenizerFast(str(vocab), model_max_length=40).save_pretrained(folder)
    return folder


class NoWaiting(TorchDispatchMode):
    """Refuses what would make a processor wait for its GPU."""

    WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique", "unique_dim")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split(".")[0]
        assert name not in self.WAITS, f"{name} waits for the device"
        if name in ("index", "index_put_"):
            assert not any(one is not None and one.dtype == torch.bool for one in args[1])
        return func(*args, **(kwargs or {}))
