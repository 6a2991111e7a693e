import gzip
import json
import pickle

import pytest

from keras_seq2seq.training.corpus import (
    EXAMPLES_PER_KIND,
    CorpusError,
    from_pairs,
    read_jsonl,
    read_parallel,
    read_tsv,
)

PAIRS = (("a b", "x"), ("c\u2028d\x0b", "y\x85z"), ("e", "é東"))


def write(path, lines):
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    )
    return path


def parallel(folder, sources, targets):
    return write(folder / "text.en", sources), write(folder / "text.fr", targets)


def written(folder, kind):
    if kind == "parallel":
        return read_parallel(*parallel(folder, *zip(*PAIRS, strict=True)))
    if kind == "tsv":
        path = write(folder / "text.tsv", [f"{t}\tignored\t{s}" for s, t in PAIRS])
        return read_tsv(path, source_column=2, target_column=0)
    if kind == "jsonl":
        path = write(folder / "text.jsonl", [json.dumps({"s": s, "t": t}) for s, t in PAIRS])
        return read_jsonl(path, "s", "t")
    return from_pairs(PAIRS)


@pytest.mark.parametrize("kind", ["parallel", "tsv", "jsonl", "memory"])
def test_every_reader_gives_the_same_pairs(tmp_path, kind):
    corpus = written(tmp_path, kind)
    assert corpus.pairs == PAIRS
    assert str(corpus.report) == "3 pairs kept, 0 errors"
    assert pickle.loads(pickle.dumps(corpus)) == corpus


def test_gzip_carriage_returns_marks_and_final_newlines(tmp_path):
    source, target = tmp_path / "a.gz", tmp_path / "b"
    source.write_bytes(gzip.compress(b"\xef\xbb\xbfa\r\nb\r\n"))
    target.write_bytes(b"x\ny")
    assert read_parallel(source, target).pairs == (("a", "x"), ("b", "y"))


SOURCES = ["good", b"bad \xff", "two", " ", "five", "much too long", "seven"]
TARGETS = ["bon", "deux", b"\xed\xa0\x80", "quatre", "", "six", "sept"]


def test_all_faults_are_refused_at_once(tmp_path):
    with pytest.raises(
        CorpusError, match='corpus has errors. Fix them, or pass policy="drop"'
    ) as caught:
        read_parallel(*parallel(tmp_path, SOURCES, TARGETS), max_characters=9)
    message = str(caught.value)
    for place in ("en:2: byte 0xff at position 4", "fr:3: byte", "en:4: blank", "fr:5: blank"):
        assert place in message
    assert "en:6: 13 characters, at most 9" in message
    assert caught.value.report.counts == {
        "undecodable bytes": 2,
        "empty sides": 2,
        "over-long pairs": 1,
    }


def test_faults_are_dropped_and_counted(tmp_path):
    paths = parallel(tmp_path, SOURCES, TARGETS)
    corpus = read_parallel(*paths, policy="drop", max_characters=9)
    assert corpus.pairs == (("good", "bon"), ("seven", "sept"))
    assert corpus.report.kept == 2
    assert str(corpus.report).startswith("2 pairs kept, 5 errors\n  undecodable bytes: 2\n")


@pytest.mark.parametrize("policy", ["refuse", "drop"])
@pytest.mark.parametrize("lengths", [(2, 3), (3, 2), (0, 1)])
def test_unequal_lengths_are_always_refused(tmp_path, policy, lengths):
    paths = parallel(tmp_path, ["a"] * lengths[0], ["x"] * lengths[1])
    message = f'policy="drop" does not help(.|\n)*en has {lengths[0]} lines, .*fr has {lengths[1]}'
    with pytest.raises(CorpusError, match=message):
        read_parallel(*paths, policy=policy)


def test_a_blank_last_line_is_a_line(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"a\n\n")
    target.write_bytes(b"x\n")
    with pytest.raises(CorpusError, match="a has 2 lines, .*b has 1"):
        read_parallel(source, target)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("one", ":2: 1 columns, expected 2"),
        ("", ":2: 1 columns, expected 2"),
        ("a\tb\tc", ":2: 3 columns, expected 2"),
        ("\tb", ":2: blank"),
        (b"a\t\xc3", ":2: byte 0xc3 at position 2"),
    ],
)
def test_tsv_faults(tmp_path, row, what):
    path = write(tmp_path / "a.tsv", ["a\tx", row, "b\ty"])
    with pytest.raises(CorpusError, match=what):
        read_tsv(path)
    assert read_tsv(path, policy="drop").pairs == (("a", "x"), ("b", "y"))


def test_tsv_columns_must_exist(tmp_path):
    path = write(tmp_path / "a.tsv", ["a\tx"])
    with pytest.raises(CorpusError, match=":1: 2 columns, expected 3"):
        read_tsv(path, target_column=2)
    with pytest.raises(ValueError, match="must be at least 0.*Received: 0, -1"):
        read_tsv(path, target_column=-1)


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("{", ":2: not JSON"),
        ("", ":2: not JSON"),
        ("[" * 100_000, ":2: not JSON"),
        ('["a", "x"]', ":2: list, expected an object"),
        ('{"s": "a"}', ":2: no field t"),
        ("{}", ":2: no field s, t"),
        ('{"s": "a", "t": 1}', ":2: int, expected a string"),
        ('{"s": null, "t": "x"}', ":2: NoneType, expected a string"),
        (r'{"s": "a\ud800", "t": "x"}', ":2: lone surrogate at position 1"),
    ],
)
def test_jsonl_faults(tmp_path, row, what):
    path = write(tmp_path / "a.jsonl", ['{"s": "a", "t": "x"}', row, '{"s": "b", "t": "y"}'])
    with pytest.raises(CorpusError, match=what):
        read_jsonl(path, "s", "t")
    assert read_jsonl(path, "s", "t", policy="drop").pairs == (("a", "x"), ("b", "y"))


@pytest.mark.parametrize("pair", [("a",), "ab", None, ("a", 1), ("a", b"\xff"), ("a", "\ud800")])
def test_faults_in_memory(pair):
    with pytest.raises(CorpusError, match="pair 2: "):
        from_pairs([("a", "x"), pair])


def test_examples_are_limited_and_counts_are_not():
    corpus = from_pairs([("a", "x")] + [("", "x")] * 50, policy="drop")
    assert corpus.report.counts["empty sides"] == 50
    assert len(corpus.report.examples["empty sides"]) == EXAMPLES_PER_KIND
    assert str(corpus.report).endswith("and 30 more")


@pytest.mark.parametrize("policy", ["refuse", "drop"])
def test_nothing_left_is_refused(policy):
    with pytest.raises(CorpusError, match="must hold at least one pair"):
        from_pairs([], policy=policy)
    with pytest.raises(CorpusError, match="0 pairs kept, 1 error"):
        from_pairs([("a", "")], policy=policy)


def test_missing_files_are_all_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="do not exist: .*no.en, .*no.fr"):
        read_parallel(tmp_path / "no.en", tmp_path / "no.fr")


def test_damaged_gzip_is_named(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(CorpusError, match=r"a\.gz is not a complete gzip file"):
        read_tsv(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "ignore"}, 'must be "refuse" or "drop". Received: \'ignore\''),
        ({"max_characters": 0}, "`max_characters` must be at least 1. Received: 0"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        from_pairs(PAIRS, **options)


TATOEBA = ["1276\tLet's try.\t2396\tEssayons !", "1277\tI have to.\t3209\tJe dois."]
TEXTS = (("Let's try.", "Essayons !"), ("I have to.", "Je dois."))


def test_columns_are_named_or_numbered(tmp_path):
    path = write(tmp_path / "a.tsv", TATOEBA)
    with pytest.raises(CorpusError, match="Column 0 .* '1276'.*source_column=1, target_column=3"):
        read_tsv(path)
    assert read_tsv(path, 1, 3).pairs == TEXTS
    path = write(tmp_path / "named.tsv", ["id\ten\tid2\tfr", *TATOEBA])
    assert read_tsv(path, "en", "fr").pairs == TEXTS
    with pytest.raises(CorpusError, match=r"Received: \['de'\], but .*named.tsv:1 has"):
        read_tsv(path, "en", "de")
    with pytest.raises(ValueError, match="or two names of the first row. Received: 'en', 3"):
        read_tsv(path, "en", 3)


def test_two_columns_may_be_numbers(tmp_path):
    assert read_tsv(write(tmp_path / "a.tsv", ["1\tone", "2\ttwo"])).pairs[0] == ("1", "one")


@pytest.mark.parametrize("policy", ["refuse", "drop"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_no_pair_comes_from_a_file_in_another_encoding(tmp_path, encoding, policy):
    path = tmp_path / "a.tsv"
    path.write_bytes("a b\tx\nc\té\n".encode(encoding))
    with pytest.raises(CorpusError, match="UTF-16|at least one pair"):
        read_tsv(path, policy=policy)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a\0b", "NUL characters: 1"),
        ("\u200b", "empty sides: 1"),
        ("\ufeff \u200d\x01", "empty sides: 1"),
    ],
)
def test_what_cannot_be_text_is_refused(text, what):
    for pair in (("a", text), (text, "x")):
        with pytest.raises(CorpusError, match=what):
            from_pairs([("a", "x"), pair])


def test_fields_may_lie_in_the_field_of_hugging_face(tmp_path):
    rows = [json.dumps({"id": 0, "translation": {"en": s, "fr": t}}) for s, t in PAIRS]
    assert read_jsonl(write(tmp_path / "a", rows), "en", "fr").pairs == PAIRS
    with pytest.raises(CorpusError, match=r"no field de, only \['en', 'fr'\]"):
        read_jsonl(tmp_path / "a", "en", "de")
