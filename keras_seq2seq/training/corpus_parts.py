"""The parts of a corpus that a recipe names: train, validation and test."""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from keras_seq2seq.training.cleaning import clean
from keras_seq2seq.training.cleaning_rules import CleaningRules
from keras_seq2seq.training.corpus import (
    stream_dataset,
    stream_jsonl,
    stream_parallel,
    stream_parquet,
    stream_tsv,
)
from keras_seq2seq.training.corpus_tables import dataset_files, parquet_files
from keras_seq2seq.training.pair_stream import PairStream, Policy
from keras_seq2seq.training.prepared_pairs import PreparedPairs
from keras_seq2seq.training.recipe import Recipe
from keras_seq2seq.training.recipe_sections import DataRecipe

HELD_OUT = 1000

Pair = tuple[str, str]
Pairs = tuple[Pair, ...]


@dataclasses.dataclass(frozen=True)
class CorpusParts:
    """Sentence pairs for training, for choosing the best epoch and for the final report.

    Args:
        train: Pairs (source_text, target_text).
        validation: The same, never in `train`.
        test: The same; empty if the recipe names none.
        report: Counts of the readers, one line per corpus; empty for the phrasebook.
    """

    train: Pairs | PreparedPairs
    validation: Pairs
    test: Pairs
    report: str = ""


def read_parts(recipe: Recipe) -> CorpusParts:
    """Reads what the recipe names, into memory; prepared pairs stay on the disk.

    Without a validation part, 1,000 training pairs (a tenth, if that is fewer) are held out, evenly
    spread, because files are often sorted.

    Raises:
        CorpusError: If a file is faulty and the policy is "refuse".
        FileNotFoundError: If the recipe names a prepared folder that is not there.
        PreparedError: If that is damaged, or does not fit the recipe.
    """
    if recipe.prepared is not None:
        prepared = PreparedPairs(recipe.prepared)
        prepared.check_settings(recipe.preparation)
        parts = (prepared.texts("validation"), prepared.texts("test"))
        return CorpusParts(prepared, *parts, report=prepared.report)
    read = StreamedParts.open(recipe, in_memory=True)
    return CorpusParts(tuple(read.train), read.validation, read.test, read.report)


@dataclasses.dataclass(frozen=True, eq=False)
class StreamedParts:
    """The parts of a corpus, the training part as a stream: each loop reads it anew.

    Args:
        train: Pairs (source_text, target_text).
        validation, test: See `CorpusParts`.
        report: Counts of the readers.
    """

    train: Iterable[Pair]
    validation: Pairs
    test: Pairs
    report: str

    @classmethod
    def open(cls, recipe: Recipe, *, in_memory: bool = False) -> "StreamedParts":
        """Reads all parts once, so that every error is known.

        Args:
            recipe: Names the parts.
            in_memory: Keep the training part.
        Raises:
            CorpusError: If a file is faulty and the policy is "refuse".
        """
        if recipe.data.format == "phrasebook":
            from keras_seq2seq.phrasebook import generate

            book = generate(seed=recipe.data.seed, size=recipe.data.size)
            return cls(book.train, book.validation, book.test, "")
        reports = []
        corpora: list[Iterable[Pair]] = []
        total = 0
        streams = streams_of(recipe, "train")
        for number, stream in enumerate(streams, 1):
            corpus: Iterable[Pair] = stream.corpus().pairs if in_memory else stream
            name = f"train, corpus {number}" if len(streams) > 1 else "train"
            if recipe.data.clean:
                corpus = clean(corpus, CleaningRules(recipe.data.clean))
                total += corpus.report.kept
                reports += [f"{name}: {stream.report}", f"{name}, cleaned: {corpus.report}"]
            else:
                total += len(corpus) if isinstance(corpus, tuple) else sum(1 for _ in corpus)
                reports.append(f"{name}: {stream.report}")
            corpora.append(corpus)
        small: dict[str, Pairs] = {"validation": (), "test": ()}
        for name in small:
            for stream in streams_of(recipe, name):
                small[name] = stream.corpus().pairs
                reports.append(f"{name}: {stream.report}")
        held_out = () if small["validation"] else _held_out(corpora, total)
        small["validation"] = small["validation"] or held_out
        # A pair that is repeated is held out everywhere.
        train = WeightedPairs(corpora, recipe.data.weights, frozenset(held_out))
        return cls(train, **small, report="\n".join(reports))

    @classmethod
    def reopen(cls, recipe: Recipe, validation: Pairs, test: Pairs, report: str) -> "StreamedParts":
        """Returns the parts that `open` gave before, from what it found, without reading."""
        if recipe.data.format == "phrasebook":
            return cls.open(recipe)
        held_out = frozenset() if recipe.data.validation else frozenset(validation)
        corpora: list[Iterable[Pair]] = list(streams_of(recipe, "train", notices=False))
        if recipe.data.clean:
            corpora = [clean(corpus, CleaningRules(recipe.data.clean)) for corpus in corpora]
        return cls(WeightedPairs(corpora, recipe.data.weights, held_out), validation, test, report)


@dataclasses.dataclass(frozen=True, eq=False)
class WeightedPairs:
    """Pairs of several corpora, one after the other; each loop reads them anew.

    Args:
        corpora: Pairs that can be read again and again.
        weights: float > 0 for each corpus, or nothing: how often its pairs come. Of a broken
            number, the rest takes an even spread.
        left_out: Pairs that never come.
    """

    corpora: Sequence[Iterable[Pair]]
    weights: Sequence[float] = ()
    left_out: frozenset[Pair] = frozenset()

    def __iter__(self) -> Iterator[Pair]:
        weights = self.weights or [1.0] * len(self.corpora)
        for corpus, weight in zip(self.corpora, weights, strict=True):
            for _ in range(int(weight)):
                yield from (pair for pair in corpus if pair not in self.left_out)
            if share := weight % 1:
                kept = (pair for pair in corpus if pair not in self.left_out)
                for number, pair in enumerate(kept):
                    if int((number + 1) * share) > int(number * share):
                        yield pair


def streams_of(recipe: Recipe, part: str, *, notices: bool = True) -> list[PairStream]:
    """Returns a stream for each corpus that a recipe names for a part.

    Raises:
        FileNotFoundError: If files are missing.
    """
    names, wanted = getattr(recipe.data, part), recipe.data.files_per_corpus
    paths = [recipe.file(name) for name in names]
    groups = [paths[i : i + wanted] for i in range(0, len(paths), wanted)]
    return [stream_of(recipe.data, group, notices=notices) for group in groups]


def files_of(recipe: Recipe) -> list[pathlib.Path]:
    """Returns all files that a recipe reads its pairs from."""
    data = recipe.data
    paths = [recipe.file(name) for name in (*data.train, *data.validation, *data.test)]
    if data.format == "parquet":
        return [file for path in paths for file in parquet_files(path)]
    if data.format == "dataset":
        return [file for path in paths for file in dataset_files(path)]
    return paths


def stream_of(
    data: DataRecipe, paths: Sequence[pathlib.Path], *, notices: bool = True
) -> PairStream:
    """Returns the stream of one corpus.

    Args:
        data: Says how the files are read; the files that it names are not looked at.
        paths: The files of the corpus.
        notices: Count the pairs that only look wrong.
    Raises:
        FileNotFoundError: If files are missing.
    """
    policy = cast(Policy, data.policy)
    if data.format == "parallel":
        return stream_parallel(paths[0], paths[1], policy=policy, notices=notices)
    if data.format == "tsv":
        columns = [int(c) if c.isdecimal() else c for c in data.columns] or (None, None)
        return stream_tsv(paths[0], *columns, policy=policy, notices=notices)
    by_field = {"jsonl": stream_jsonl, "parquet": stream_parquet, "dataset": stream_dataset}
    stream = by_field[data.format]
    return stream(paths[0], data.source_field, data.target_field, policy=policy, notices=notices)


def _held_out(corpora: Sequence[Iterable[Pair]], total: int) -> Pairs:
    """Returns an even spread of all pairs of some corpora."""
    count = min(HELD_OUT, total // 10)
    if not count:
        raise ValueError(
            "Without data.validation there must be 10 training pairs to hold some out. "
            f"Received: {total}."
        )
    places = {i * total // count for i in range(count)}
    pairs = (pair for corpus in corpora for pair in corpus)
    return tuple(pair for number, pair in enumerate(pairs) if number in places)
