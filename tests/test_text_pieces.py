"""Pieces become the words that a reader sees."""

import pytest

from keras_seq2seq.text.pieces import END_NAME, readable_words, words


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["▁", "is", "▁eat", "ing", ".", "</s>"], ["is", "eating.", END_NAME]),
        (["the", "dog", "</s>"], ["the", "dog", END_NAME]),
        (["▁ça", "▁<0xE2>", "<0xE2>", "<0x98>", "<0x82>"], ["ça", "<0xE2>☂"]),
        (["▁ab", "<0xC3>", "<0xA9>"], ["abé"]),
        (["▁我", "喜欢", "<0xE7>", "<0x8C>", "<0xAB>", "。"], ["我", "喜欢", "猫", "。"]),
        (["▁ไทย", "ภาษา"], ["ไทย", "ภาษา"]),
        ([], []),
    ],
)
def test_words_hold_every_token_once(tokens, expected):
    found = readable_words(tokens)
    assert [word for word, _ in found] == expected
    assert [place for _, places in found for place in places] == list(range(len(tokens)))


def test_words_are_those_of_the_alignment_where_there_are_spaces():
    tokens = ["▁They", "▁", "are", "▁watch", "ing", "."]
    assert [places for _, places in readable_words(tokens)] == words(tokens)
