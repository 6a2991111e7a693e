import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from keras_seq2seq.phrasebook import Phrasebook, corpus, generate
from keras_seq2seq.phrasebook.corpus import MAXIMUM_SIZE, MINIMUM_SIZE, Parts, draw_parts


@pytest.fixture(scope="module")
def parts() -> Parts:
    return draw_parts(0, 60_000)


@pytest.fixture(scope="module")
def book(parts: Parts) -> Phrasebook:
    """The default phrasebook, without drawing its sentences a second time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "draw_parts", lambda *given: {(0, 60_000): parts}[given])
        return generate()


def words(text: str) -> list[str]:
    return re.findall(r"[\w-]+'?", text.lower())


def test_sizes(book: Phrasebook) -> None:
    sizes = len(book.train), len(book.validation), len(book.test)
    assert sizes == (57_000, 1_000, 2_000)
    assert len(book.pairs) == 60_000


def test_no_english_sentence_twice(book: Phrasebook) -> None:
    assert len({english for english, _ in book.pairs}) == len(book.pairs)


@pytest.mark.parametrize(
    "pair",
    [
        ("They are watching.", "Ils regardent."),
        ("We are going to the market tomorrow.", "Nous allons au marché demain."),
        ("The little girl is eating an apple.", "La petite fille mange une pomme."),
        ("They like the red house.", "Ils aiment la maison rouge."),
        ("She knows the teacher.", "Elle connaît le professeur."),
        ("He did not eat the bread.", "Il n'a pas mangé le pain."),
    ],
)
def test_examples_are_trained(book: Phrasebook, pair: tuple[str, str]) -> None:
    assert pair in book.train


@pytest.mark.parametrize("side", [0, 1])
def test_every_word_of_the_test_part_is_trained(book: Phrasebook, side: int) -> None:
    trained = {word for pair in book.train for word in words(pair[side])}
    written = {word for pair in book.train for word in pair[side].split()}
    assert {word for pair in book.test for word in words(pair[side])} <= trained
    assert {word for pair in book.test for word in pair[side].split()} <= written


def test_held_out_combinations_are_only_in_the_test_part(parts: Parts) -> None:
    held_out, known = set(parts.held_out), (*parts.train, *parts.validation)
    assert held_out.isdisjoint(item for sentence in known for item in sentence.combinations)
    assert all(held_out.intersection(sentence.combinations) for sentence in parts.test)


def test_parts_of_held_out_combinations_are_trained_apart(parts: Parts) -> None:
    seen = [item for sentence in parts.train for item in sentence.combinations]
    heads, nouns = {head for head, _ in seen}, {noun for _, noun in seen}
    assert all(head in heads and noun in nouns for head, noun in parts.held_out)


def test_pairs_are_the_drawn_sentences() -> None:
    drawn, made = draw_parts(7, 2_000), generate(7, 2_000)
    for name in ("train", "validation", "test"):
        sentences = getattr(drawn, name)
        assert getattr(made, name) == tuple((item.english, item.french) for item in sentences)


def test_held_out_words_by_their_letters(book: Phrasebook) -> None:
    pairs = [pair for pair in book.held_out if pair[0] in ("buy", "drink", "eat")]
    forms = {"buy": "buy|buying|bought", "drink": "drink|drinking|drank", "eat": "eat|eating|ate"}
    assert pairs
    for verb, noun in pairs:
        pattern = re.compile(rf"\b({forms[verb]}|{verb}s)\b(?! with).*\b{noun}s?\b(?!')")
        direct = [english for english, _ in book.train if pattern.search(english)]
        assert not [english for english in direct if not re.search(r"\b(in|on|at)\b", english)]


def test_no_translation_is_copied_into_the_test_part(book: Phrasebook) -> None:
    trained = {french for _, french in book.train}
    assert not [french for _, french in book.test if french in trained]


def test_sentences_are_short(book: Phrasebook) -> None:
    lengths = [len(french.split()) for _, french in book.train]
    assert 6 < sum(lengths) / len(lengths) < 9
    assert max(lengths) < 25


def test_vocabulary_is_moderate(book: Phrasebook) -> None:
    assert 600 < len({word for _, french in book.train for word in words(french)}) < 900


def test_same_seed_same_book() -> None:
    assert generate(3, 2_000) == generate(3, 2_000)
    assert generate(3, 2_000) != generate(4, 2_000)


def test_same_book_in_another_process() -> None:
    code = "from keras_seq2seq.phrasebook import generate; print(hash_of(generate(1, 1_000)))"
    prelude = "import hashlib\ndef hash_of(book):\n    text = repr(book).encode()\n"
    script = prelude + "    return hashlib.sha256(text).hexdigest()\n" + code
    seen = set()
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(run.stdout)
    assert len(seen) == 1


@pytest.mark.parametrize("size", [MINIMUM_SIZE, 1_999, 6_000])
def test_size_counts_all_pairs(size: int) -> None:
    assert len(generate(2, size).pairs) == size


@pytest.mark.long
def test_largest_book() -> None:
    assert len(generate(0, MAXIMUM_SIZE).pairs) == MAXIMUM_SIZE


@pytest.mark.parametrize("seed", [-1, 1.0, "0", None, True])
def test_seed_is_checked(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"`seed` must be an int of at least 0\. Received: "):
        generate(seed)


@pytest.mark.parametrize("size", [0, MINIMUM_SIZE - 1, MAXIMUM_SIZE + 1, 2e4, "60000", True])
def test_size_is_checked(size: Any) -> None:
    with pytest.raises(ValueError, match="`size` must be an int from 1000 to 100000"):
        generate(0, size)


def test_a_book_is_frozen(book: Phrasebook) -> None:
    with pytest.raises(FrozenInstanceError):
        book.train = ()  # type: ignore[misc]
