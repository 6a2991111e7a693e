"""The quickstart on the embedded phrasebook: train, export, verify, translate, draw attention."""

import argparse
import pathlib
import sys
import time

from rich.console import Console
from rich.table import Table

import keras_seq2seq
from keras_seq2seq.attention_map import draw_attention
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.cli.tensorflow_start import quiet_start
from keras_seq2seq.formats import FORMATS
from keras_seq2seq.text.lines import read_texts
from keras_seq2seq.training.recipe import Recipe

HERE = pathlib.Path(__file__).parent
RUN = pathlib.Path("runs/quickstart")
BUNDLE = RUN / "bundle"
SENTENCES = [
    "They are watching.",
    "The little girl is eating an apple.",
    "We are not going to the market tomorrow.",
    "Did you read the old book?",
    "My sister bought two red dresses.",
]
ARTEFACTS = [
    ("keras", "float32"),
    ("saved_model", "float32"),
    ("litert", "float32"),
    ("litert", "dynamic_int8"),
    ("onnx", "float32"),
    ("onnx", "dynamic_int8"),
]


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()  # takes no arguments
    for row in FORMATS.values():
        row.check_installed()
    print("1. Train on the phrasebook")
    report = keras_seq2seq.train(Recipe.load(HERE / "phrasebook_en_fr.toml"), RUN, force=True)
    test = report["test"]
    print(
        f"\nheld-out combinations: {test['exact_match']:.1f} % exact match, "
        f"BLEU {test['bleu']:.1f}, {test['sentences']} sentences, "
        f"{report['tokens_per_second']} tokens/s\n"
    )

    print("2. Export and verify")
    model = keras_seq2seq.load_model(RUN / "model.keras", compile=False)
    sentences = read_texts(RUN / "sources.txt")
    parity = keras_seq2seq.export(
        model,
        BUNDLE,
        sentences=sentences,
        languages=("en", "fr"),
        quality=test,
        force=True,
    )
    print(parity)

    print("\n3. Translate with every runtime")
    expected = keras_seq2seq.load(BUNDLE, "keras").translate(SENTENCES)
    for source, target in zip(SENTENCES, expected, strict=True):
        print(f"{source:44} {target}")
    table = Table("runtime", "weights", "MB", "ms per sentence", "same words", box=None)
    for runtime, quantization in ARTEFACTS:
        translator = keras_seq2seq.load(BUNDLE, runtime, quantization=quantization)
        found = [translator.translate(text) for text in SENTENCES]  # also warms up
        start = time.perf_counter()
        for text in SENTENCES:
            translator.translate(text)
        milliseconds = 1000 * (time.perf_counter() - start) / len(SENTENCES)
        size = Bundle.open(BUNDLE).size(runtime, quantization) / 1e6
        same = "yes" if found == expected else "no"
        table.add_row(runtime, quantization, f"{size:.2f}", f"{milliseconds:.2f}", same)
    Console().print(table)

    picture = RUN / "attention.png"
    source = SENTENCES[1]
    ((best,),) = keras_seq2seq.load(BUNDLE).n_best([source])
    draw_attention(best.attention, best.source_tokens, best.target_tokens, picture)
    print(f"\nattention of {source!r}: {picture}\nbundle: {BUNDLE}")
    print("It knows the words of one small grammar: docs/quickstart.md has some. On real words:")
    print("make quickstart-real")
    return 0 if parity.passed else 1


if __name__ == "__main__":
    with quiet_start():
        sys.exit(main())
