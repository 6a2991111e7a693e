"""HTML around words that a translation keeps or turns round: the tags go with them."""

import re
from html.parser import HTMLParser

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from keras_seq2seq.decoding.hypothesis import Hypothesis
from keras_seq2seq.serving.html_text import HtmlText, NoAlignment
from keras_seq2seq.serving.plain_text import splitter
from keras_seq2seq.translation import Translation

LINES = splitter(None)


def translation(text, order=None, attends=True):
    """Returns the words of a text, upper-cased, in another order, each attending to itself."""
    words = text.split()
    order = list(range(len(words))) if order is None else order(len(words))
    said = [words[i].upper() for i in order]
    weights = np.zeros((len(words) + 1, len(words) + 1), "float32")
    weights[[*range(len(words)), -1], [*order, -1]] = 1
    log_probs = np.full(len(weights), -0.1, "float32")
    found = Hypothesis((5,) * len(words), -1.0, True, log_probs, weights if attends else None)
    sides = [(*(f"▁{word}" for word in one), "</s>") for one in (words, said)]
    return Translation(" ".join(said), found, *sides)


def turned_round(count):
    return list(range(count))[::-1]


def rendered(source, order=None, **options):
    document = HtmlText.of(source, LINES)
    return document.joined([translation(text, order, **options) for text in document.texts])


@pytest.mark.parametrize(
    ("source", "same_order", "reversed_order"),
    [
        ("the dog", "THE DOG", "DOG THE"),
        ("<b>the dog</b>", "<b>THE DOG</b>", "<b>DOG THE</b>"),
        ("the <b>dog</b> sees", "THE <b>DOG</b> SEES", "SEES <b>DOG</b> THE"),
        ("a <b>red dog</b>", "A <b>RED DOG</b>", "<b>DOG RED</b> A"),
        # Nested, and two side by side.
        ("<b>a <i>red</i> dog</b> x", "<b>A <i>RED</i> DOG</b> X", "X <b>DOG <i>RED</i> A</b>"),
        ("<b>a</b> <i>dog</i>", "<b>A</b> <i>DOG</i>", "<i>DOG</i> <b>A</b>"),
        # Punctuation keeps to its own tags.
        ("a <b>dog</b>, here", "A <b>DOG</b>, HERE", "HERE <b>DOG</b>, A"),
        ("a (<b>dog</b>)", "A (<b>DOG</b>)", "(<b>DOG</b>) A"),
        ("a dog<b>!</b>", "A DOG<b>!</b>", "DOG<b>!</b> A"),
        # Markup without text stays by its word.
        ("a <img src=x> dog", "A <img src=x> DOG", "<img src=x> DOG A"),
        ("a dog<img src=x> x", "A DOG<img src=x> X", "X DOG<img src=x> A"),
        ("a <code>x</code> dog", "A <code>x</code> DOG", "<code>x</code> DOG A"),
        ("a <i class=icon></i>dog", "A <i class=icon></i>DOG", "<i class=icon></i>DOG A"),
        ("<img> a", "<img> A", "<img> A"),
        ("a <a href=1><img></a> dog", "A <a href=1><img></a> DOG", "<a href=1><img></a> DOG A"),
        # Blocks and line breaks end a sentence; scripts and comments are no text.
        ("<p>a b<br>c</p>d", "<p>A B<br>C</p>D", "<p>B A<br>C</p>D"),
        (
            "a b<script>if (a<b) c</script>",
            "A B<script>if (a<b) c</script>",
            "B A<script>if (a<b) c</script>",
        ),
        (
            "<pre>a  b</pre><!-- a b -->c",
            "<pre>a  b</pre><!-- a b -->C",
            "<pre>a  b</pre><!-- a b -->C",
        ),
        (
            'a <u translate="no">b c</u>',
            'A <u translate="no">b c</u>',
            'A <u translate="no">b c</u>',
        ),
        (
            "a\n<p class=notranslate>b</p>",
            "A\n<p class=notranslate>b</p>",
            "A\n<p class=notranslate>b</p>",
        ),
        # Entities.
        ("a &lt;b&gt; &amp; &#99;", "A &lt;B&gt; &amp; C", "C &amp; &lt;B&gt; A"),
        ("<p> &nbsp; a&nbsp;b </p>", "<p> &nbsp; A B </p>", "<p> &nbsp; B A </p>"),
        # Tags that no sentence holds are left where they are.
        ("<b>a<p>b c</p></b>", "<b>A<p>B C</p></b>", "<b>A<p>C B</p></b>"),
        ("a </i> b <b>c d", "A </i> B <b>C D", "A </i> B <b>D C"),
        ("<!DOCTYPE html><p>1 2</p>", "<!DOCTYPE html><p>1 2</p>", "<!DOCTYPE html><p>2 1</p>"),
        ("", "", ""),
        ("<p> <b> </b>-</p>", "<p> <b> </b>-</p>", "<p> <b> </b>-</p>"),
    ],
)
def test_tags_go_with_their_words(source, same_order, reversed_order):
    assert rendered(source) == same_order
    assert rendered(source, turned_round) == reversed_order


def test_an_element_that_falls_apart_has_its_id_once():
    found = rendered('<a id=x href="?a&amp;b">big dog</a> sees', lambda count: [0, 2, 1])
    assert found == '<a id=x href="?a&amp;b">BIG</a> SEES <a href="?a&amp;b">DOG</a>'


def test_an_element_that_no_word_attends_to_takes_one_that_can_be_spared():
    text = translation("the red dog")
    weights = text.hypothesis.attention
    weights[:] = [[0.6, 0.4, 0, 0], [0.9, 0.1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    document = HtmlText.of("the <b>red</b> dog", LINES)
    assert document.joined([text]) == "<b>THE</b> RED DOG"
    document = HtmlText.of("<i>the</i> <b>red</b> <u>dog</u>", LINES)
    assert document.joined([text]) == "<b>THE</b> <i>RED</i> <u>DOG</u>"


def test_no_tag_is_lost_where_there_are_fewer_words():
    text = translation("dog")
    text.hypothesis.attention[:] = [[1, 0], [0, 1]]
    document = HtmlText.of("<b>a</b> <i>red</i> <img> <u>dog</u>", LINES)
    assert sorted(re.findall("<[a-z]+>", document.joined([text]))) == ["<b>", "<i>", "<img>", "<u>"]


def test_a_model_without_attention_is_refused_only_where_tags_must_move():
    assert rendered("<p><b>the dog</b></p>", attends=False) == "<p><b>THE DOG</b></p>"
    with pytest.raises(NoAlignment, match="placed by the attention of the model. Received: 'the d"):
        rendered("<p>the <b>dog</b></p>", attends=False)


TEXT = st.text(alphabet="ab &<>'\"\xa0.é", min_size=1, max_size=6)
STARTS = ["<b>", "<i id=x>", "<p>", "<br>", "<img src='<'>", "<code>", "<a href=x/>", "<x-y>"]
ENDS = ["</b>", "</i>", "</p>", "</code>", "</a>", "</x-y>", "</script>"]
MARKUP = st.sampled_from([*STARTS, *ENDS, "<!-- > -->", "&amp;", "&eacute;", "<script>"])


class Shape(HTMLParser):
    """Lists the tags and the letters of HTML."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.letters = [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.letters += [c for c in data.upper() if not c.isspace()]


@hypothesis.given(st.lists(st.one_of(TEXT, MARKUP), max_size=14).map("".join))
@hypothesis.settings(max_examples=300)
def test_any_markup_keeps_its_tags_and_its_text(source):
    shape = Shape(source)
    for order in (None, turned_round):
        found = Shape(rendered(source, order))
        assert sorted(found.letters) == sorted(shape.letters)
        # An element may fall apart, none is lost, and none comes from nowhere.
        assert set(found.tags) == set(shape.tags) and len(found.tags) >= len(shape.tags)
