"""The tokenizer of export/web gives in JavaScript the ids and texts of SentencePiece."""

import base64
import io
import itertools
import json
import random
import shutil
import subprocess

import pytest
import sentencepiece
from conftest import HOSTILE, TEXTS
from web_kit import KIT

pytestmark = [
    pytest.mark.skipif(not KIT.exists(), reason="needs the checkout: the wheel has no export/"),
    pytest.mark.skipif(not shutil.which("node"), reason="node is not installed"),
]
SPECIAL = {"pad": 0, "unk": 1, "bos": 2, "eos": 3}
LINES = [
    *TEXTS,
    "Über die Brücke – “æ”…",
    "日本語 の テキスト",
    "2½ m³ ﬁn ①",
    "a <sep> dogs <2fr> c",
]
# Few pieces that can be put together in many ways, so that sums of scores are equal.
TIED = "ab.o "
CHARACTERS = (
    "abc dog.,'  \t\n\u00a0\u3000▁éﬁ①½ｆ日本ア한글e\u0301\u200b\ufeff\u202e\ufffd\x01👩‍👩‍👧🇫🇷"
)
# Type, normalization, byte pieces, space at the end, additional space, runs of spaces to one.
KINDS = [
    ("unigram", "nmt_nfkc", False, False, True, True),
    ("unigram", "nfkc_cf", True, False, True, True),
    ("unigram", "identity", True, True, False, False),
    ("bpe", "nmt_nfkc", False, False, True, True),
    ("bpe", "nmt_nfkc_cf", True, True, True, False),
    ("bpe", "identity", True, False, False, True),
    ("word", "nmt_nfkc", False, False, True, True),
    ("word", "identity", False, True, True, False),
    ("char", "nfkc", False, False, True, True),
    ("char", "identity", True, False, False, False),
]
SCRIPT = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const { kit, models, texts, special } = JSON.parse(readFileSync(0, "utf8"));
const { Tokenizer } = await import(pathToFileURL(`${kit}/tokenizer.mjs`));
const found = [];
for (const { model, rows } of models) {
  const tokenizer = await Tokenizer.open(Buffer.from(model, "base64"), special);
  const ids = texts.map((text) => tokenizer.encode(text));
  found.push({ ids, texts: rows.map((row) => tokenizer.decode(row)) });
}
const messages = [];
for (const bytes of [[], [1, 2, 3], [10, 200]]) {
  const opened = Tokenizer.open(Uint8Array.from(bytes), special);
  await opened.catch((error) => messages.push(error.message));
}
console.log(JSON.stringify({ found, messages }));
"""


def tied(count, seed):
    draw = random.Random(seed)
    return ["".join(draw.choices(TIED, k=draw.randrange(3, 60))) for _ in range(count)]


def trained(kind, byte_fallback, spaces, **options):
    suffix, prefix, extra = spaces
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*LINES * 5, *tied(100, 3)]),
        model_writer=model,
        model_type=kind,
        vocab_size=400,
        hard_vocab_limit=False,
        byte_fallback=byte_fallback,
        treat_whitespace_as_suffix=suffix,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=extra,
        character_coverage=0.98 if byte_fallback else 1.0,
        user_defined_symbols=["<sep>", "<2fr>", "dog", "ob", "bab"],
        minloglevel=2,
        **{f"{name}_id": number for name, number in SPECIAL.items()},
        **options,
    )
    return model.getvalue()


@pytest.fixture(scope="module")
def texts():
    draw = random.Random(0)
    made = ["".join(draw.choices(CHARACTERS, k=draw.randrange(40))) for _ in range(100)]
    words = [word for line in LINES for word in line.split()]
    made += [" ".join(draw.choices(words, k=draw.randrange(9))) for _ in range(50)]
    made += tied(200, 4)
    return [text.replace("\0", " ") for text in [*TEXTS, *HOSTILE, *made, ""]]


@pytest.fixture(scope="module")
def compared(texts):
    """What SentencePiece and JavaScript give for each kind of model, and messages of the latter."""
    draw = random.Random(1)
    models, expected = [], []
    for kind, normalization, byte_fallback, *spaces in KINDS:
        model = trained(kind, byte_fallback, spaces, normalization_rule_name=normalization)
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        ids = [processor.encode(text) for text in texts]
        drawn = [draw.choices(range(4, len(processor)), k=8) for _ in range(50)]
        # A special piece that a model at the level of words reads ends a text in the kit.
        rows = [[i for i in row if i > 3 or i == 1] for row in [*ids, *drawn, [1, 4, 1, 1]]]
        models.append({"model": base64.b64encode(model).decode(), "rows": rows})
        texts_back = [processor.decode(row) for row in rows]
        expected.append({"ids": [[*row, SPECIAL["eos"]] for row in ids], "texts": texts_back})
    job = {"kit": str(KIT), "models": models, "texts": texts, "special": SPECIAL}
    command = ["node", "--input-type=module", "--eval", SCRIPT]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return expected, answer["found"], answer["messages"]


@pytest.mark.parametrize("number", range(len(KINDS)), ids=["-".join(map(str, k)) for k in KINDS])
def test_ids_and_texts_are_those_of_sentencepiece(compared, texts, number):
    expected, found, _ = compared
    for text, wanted, received in zip(
        texts, expected[number]["ids"], found[number]["ids"], strict=True
    ):
        assert (text, received) == (text, wanted)
    assert found[number]["texts"] == expected[number]["texts"]
    distinct = set(itertools.chain(*expected[number]["ids"]))
    assert len(distinct) > 20


def test_what_is_no_model_is_named(compared):
    *_, messages = compared
    assert len(messages) == 3
    assert messages[0].startswith("A tokenizer must be a SentencePiece model")
    assert "must be whole. Received: one that was cut" in messages[2]
