"""Examples of each command, which its --help ends with."""

import argparse
import textwrap
from collections.abc import Sequence

EXAMPLES: dict[str, tuple[str, ...]] = {
    "clean": (
        "keras-seq2seq clean pairs.tsv",
        "keras-seq2seq clean pairs.tsv --output clean.tsv --rules length identical duplicates",
        "keras-seq2seq clean raw.en.gz raw.fr.gz --output clean.en.gz clean.fr.gz",
    ),
    "init": (
        "keras-seq2seq init my_recipe.toml --train clean.tsv --languages en fr",
        "keras-seq2seq init my_recipe.toml --train train.en train.fr",
        "keras-seq2seq init dates.toml --task spelling --train dates.tsv",
    ),
    "prepare": ("keras-seq2seq prepare my_recipe.toml --output-dir prepared",),
    "train": (
        "keras-seq2seq train my_recipe.toml --output-dir runs/first",
        "keras-seq2seq train my_recipe.toml --set training.epochs=30 --set model.units=256",
        "keras-seq2seq train my_recipe.toml --fine-tune runs/first --output-dir runs/second",
    ),
    "average": ("keras-seq2seq average runs/first --best 5",),
    "translate": (
        "keras-seq2seq translate bundle",
        "keras-seq2seq translate bundle --runtime onnx < english.txt > french.txt",
        "keras-seq2seq translate bundle --output french.txt --resume < english.txt",
        "keras-seq2seq translate bundle --beam-size 4 --num-hypotheses 2 --json < english.txt",
    ),
    "evaluate": (
        "keras-seq2seq evaluate bundle --source test.en --reference test.fr",
        "keras-seq2seq evaluate bundle --source test.en --reference test.fr --beam-size 4",
    ),
    "serve": (
        "keras-seq2seq serve bundle",
        "keras-seq2seq serve bundle --runtime litert --port 8080",
    ),
    "import": ("keras-seq2seq import opus-mt-en-fr --output-dir runs/opus",),
    "export": (
        "keras-seq2seq export runs/first --output-dir bundle",
        "keras-seq2seq export runs/first --output-dir bundle --beam-size 4",
        "keras-seq2seq export runs/first --output-dir bundle --formats litert --quantization int8",
        "keras-seq2seq export runs/first --output-dir bundle --evaluation test.en test.fr",
    ),
    "verify": (
        "keras-seq2seq verify bundle",
        "keras-seq2seq verify bundle --text english.txt --json",
    ),
    "inspect": (
        "keras-seq2seq inspect bundle --summary",
        "keras-seq2seq inspect bundle/litert/model_float32.tflite",
    ),
    "completion": (
        'eval "$(keras-seq2seq completion bash)"',
        "keras-seq2seq completion fish > ~/.config/fish/completions/keras-seq2seq.fish",
    ),
}

# From pairs to translations, for `keras-seq2seq --help`.
FIRST = (
    EXAMPLES["init"][0],
    EXAMPLES["train"][0],
    EXAMPLES["export"][0],
    EXAMPLES["translate"][0],
)


class HelpFormatter(argparse.HelpFormatter):
    """Wraps descriptions as usual, and keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


def add_examples(parser: argparse.ArgumentParser, examples: Sequence[str], rest: str = "") -> None:
    """Gives a parser the examples that its --help ends with, and a text after them."""
    parser.formatter_class = HelpFormatter
    parser.epilog = "\n  ".join(("examples:", *examples))
    if rest:
        parser.epilog += "\n\n" + textwrap.fill(rest, 79)
