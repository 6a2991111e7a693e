import functools
import itertools

import pytest
from conftest import word_pairs

from keras_seq2seq import from_pairs, stream_jsonl, stream_parallel, stream_tsv
from keras_seq2seq.training import corpus_notices
from keras_seq2seq.training.corpus import CorpusError
from keras_seq2seq.training.corpus_rows import memory_rows
from keras_seq2seq.training.pair_stream import PairStream

PAIRS = word_pairs(40, seed=2)
STREAMS = {
    "parallel": lambda folder: stream_parallel(folder / "a", folder / "b", policy="drop"),
    "tsv": lambda folder: stream_tsv(folder / "tsv", policy="drop"),
    "jsonl": lambda folder: stream_jsonl(folder / "jsonl", "s", "t", policy="drop"),
}


@pytest.fixture
def folder(tmp_path):
    rows = [*PAIRS[:5], ("", "x"), *PAIRS[5:]]
    for name, side in (("a", 0), ("b", 1)):
        (tmp_path / name).write_text("".join(f"{row[side]}\n" for row in rows))
    (tmp_path / "tsv").write_text("".join(f"{s}\t{t}\n" for s, t in rows))
    (tmp_path / "jsonl").write_text("".join(f'{{"s": "{s}", "t": "{t}"}}\n' for s, t in rows))
    return tmp_path


@pytest.mark.parametrize("kind", STREAMS)
def test_each_loop_reads_all_pairs_and_the_first_reports(folder, kind):
    stream = STREAMS[kind](folder)
    assert list(itertools.islice(stream, 3)) == PAIRS[:3]
    with pytest.raises(ValueError, match="A report is there after a loop over all pairs"):
        _ = stream.report
    assert list(stream) == list(stream) == PAIRS
    report = stream.report
    assert (report.kept, report.counts) == (40, {"empty sides": 1})
    assert stream.corpus().report == report


def of(pairs, **options):
    return PairStream(functools.partial(memory_rows, pairs, None), **options)


def test_errors_are_raised_at_the_end_of_each_loop():
    stream = of([*PAIRS, ("", "x"), ("y", "x\0")])
    for _ in range(2):
        read = iter(stream)
        assert list(itertools.islice(read, 40)) == PAIRS
        with pytest.raises(CorpusError, match=r"(?s)pair 41: blank.*pair 42: at position 1"):
            next(read)
    with pytest.raises(CorpusError, match="must hold at least one pair"):
        list(of([]))


def test_notices_are_those_of_all_pairs_where_they_come_late(monkeypatch):
    odd = [*PAIRS, ("le chien voit un chat", "the dog sees a cat"), PAIRS[0], ("same", "same")]
    expected = from_pairs(odd).report.notices
    assert len(expected) == 3
    monkeypatch.setattr(corpus_notices, "LEARNED_FROM", 38)
    assert from_pairs(odd).report.notices == expected
    stream = of(odd, notices=False)
    assert list(stream) == odd
    assert stream.report.notices == {}


def test_a_pair_is_compared_with_the_first_ones_alone(monkeypatch):
    monkeypatch.setattr(corpus_notices, "COMPARED_WITH", 2)
    pairs = [("a", "b"), ("c", "d"), ("e", "f"), ("a", "b"), ("e", "f")]
    count, where = from_pairs(pairs).report.notices["repeated pairs"]
    assert (count, where) == (1, ("pair 4",))
