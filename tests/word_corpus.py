"""A small corpus with its recipe, for trainings of seconds."""

import json

from conftest import word_pairs

RECIPE = """
[data]
format = "parallel"
folder = {folder}
train = ["train.src", "train.tgt"]
validation = ["val.src", "val.tgt"]
test = ["test.src", "test.tgt"]
[tokenizer]
joint = false
vocabulary_size = 0
source_level = "word"
target_level = "word"
[model]
embedding_dim = 16
units = 16
dropout = 0.0
max_length = 9
[training]
epochs = 2
tokens_per_batch = 200
num_shapes = 1
learning_rate = 0.02
seed = 3
"""


def write_corpus(folder):
    """Writes a corpus of ~200 pairs and its recipe; returns the recipe's path."""
    for seed, (part, count) in enumerate({"train": 200, "val": 20, "test": 15}.items()):
        sides = zip(*word_pairs(count, seed), strict=True)
        for side, lines in zip(("src", "tgt"), sides, strict=True):
            (folder / f"{part}.{side}").write_text("\n".join(lines) + "\n", "utf-8")
    path = folder / "words.toml"
    path.write_text(RECIPE.format(folder=json.dumps(str(folder))), "utf-8")
    return path
