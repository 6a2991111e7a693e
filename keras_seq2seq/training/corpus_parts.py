"""The parts of a corpus that a recipe names: train, validation and test."""

import dataclasses
from typing import cast

from keras_seq2seq.training.corpus import Corpus, Policy, read_jsonl, read_parallel, read_tsv
from keras_seq2seq.training.recipe import Recipe

HELD_OUT = 1000

Pairs = tuple[tuple[str, str], ...]


@dataclasses.dataclass(frozen=True)
class CorpusParts:
    """Sentence pairs for training, for choosing the best epoch and for the final report.

    Args:
        train: Pairs (source_text, target_text).
        validation: The same, never in `train`.
        test: The same; empty if the recipe names none.
        report: Counts of the readers, one line per part; empty for the phrasebook.
    """

    train: Pairs
    validation: Pairs
    test: Pairs
    report: str = ""


def read_parts(recipe: Recipe) -> CorpusParts:
    """Reads what the recipe names.

    Without a validation part, 1,000 training pairs (a tenth, if that is fewer) are held out, evenly
    spread, because files are often sorted.

    Raises:
        CorpusError: If a file is faulty and the policy is "refuse".
    """
    if recipe.data.format == "phrasebook":
        from keras_seq2seq.phrasebook import generate

        book = generate(seed=recipe.data.seed, size=recipe.data.size)
        return CorpusParts(book.train, book.validation, book.test)
    names = ("train", "validation", "test")
    read = {name: _read(recipe, getattr(recipe.data, name)) for name in names}
    report = "\n".join(f"{name}: {corpus.report}" for name, corpus in read.items() if corpus)
    pairs = {name: corpus.pairs if corpus else () for name, corpus in read.items()}
    if not pairs["validation"]:
        held_out = min(HELD_OUT, len(pairs["train"]) // 10)
        if not held_out:
            raise ValueError(
                "Without data.validation there must be 10 training pairs to hold some out. "
                f"Received: {len(pairs['train'])}."
            )
        given = pairs["train"]
        chosen = [given[i * len(given) // held_out] for i in range(held_out)]
        pairs["validation"] = tuple(chosen)
        known = set(chosen)  # a repeated pair is held out everywhere
        pairs["train"] = tuple(pair for pair in given if pair not in known)
    return CorpusParts(**pairs, report=report)


def _read(recipe: Recipe, names: tuple[str, ...]) -> Corpus | None:
    data = recipe.data
    policy = cast(Policy, data.policy)
    paths = [recipe.file(name) for name in names]
    if not paths:
        return None
    if data.format == "parallel":
        return read_parallel(paths[0], paths[1], policy=policy)
    if data.format == "tsv":
        columns = [int(c) if c.isdecimal() else c for c in data.columns] or (None, None)
        return read_tsv(paths[0], *columns, policy=policy)
    return read_jsonl(paths[0], data.source_field, data.target_field, policy=policy)
