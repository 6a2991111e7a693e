import itertools
import types

import hypothesis
import hypothesis.strategies as st
import pytest

from keras_seq2seq.serving.html_text import HtmlText
from keras_seq2seq.serving.plain_text import PlainText, split_lines, splitter

TEXT = "Dr. Who is here. Why?\n\n- Come in.\r\n"


def said(text):
    return types.SimpleNamespace(text=text.upper())


@hypothesis.given(st.text(alphabet="ab .-\n\r\t\x0b\u2028 é", max_size=30))
def test_lines_and_layout_are_the_text(text):
    pieces = split_lines(text)
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        assert piece.text and piece.is_sentence == any(map(str.isalnum, piece.text))
        assert not piece.is_sentence or piece.text == piece.text.strip()
    # Two pieces of layout never follow each other.
    kinds = [piece.is_sentence for piece in pieces]
    assert all(one or other for one, other in itertools.pairwise(kinds))


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (None, ["Dr. Who is here. Why?", "- Come in."]),
        ("en", ["Dr. Who is here.", "Why?", "- Come in."]),
        ("en-GB", ["Dr. Who is here.", "Why?", "- Come in."]),
    ],
)
def test_what_is_translated_on_its_own(language, texts):
    document = PlainText.of(TEXT, splitter(language))
    assert document.texts == texts
    assert document.joined([said(text) for text in texts]) == TEXT.upper()


def test_sentences_of_html_are_told_apart_and_share_elements():
    document = HtmlText.of("<p><b>Who is here? Come in.</b> <i>Why not?</i></p>", splitter("en"))
    assert document.texts == ["Who is here?", "Come in.", "Why not?"]
    found = document.joined([said(text) for text in document.texts])
    assert found == "<p><b>WHO IS HERE? COME IN.</b> <i>WHY NOT?</i></p>"
