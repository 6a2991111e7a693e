"""Prepares the pairs of a recipe: text once into ids on the disk, for any number of runs."""

import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from keras_seq2seq.progress import progress
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.corpus_parts import Pair, StreamedParts, files_of
from keras_seq2seq.training.encoded_pairs import (
    Block,
    digest_of,
    encode_block,
    id_type,
    in_blocks,
)
from keras_seq2seq.training.folder_lock import locked
from keras_seq2seq.training.interruption import within_reach_of_signals
from keras_seq2seq.training.length_order import (
    LENGTH_TYPE,
    read_numbers,
    write_edges,
    write_order,
)
from keras_seq2seq.training.preparation import Preparation, Progress, identities
from keras_seq2seq.training.prepared_pairs import (
    META,
    PARTS,
    SIDES,
    PreparedError,
    PreparedPairs,
    file_facts,
    write_meta,
)
from keras_seq2seq.training.recipe import Recipe
from keras_seq2seq.training.recipe_tokenizers import recipe_tokenizers
from keras_seq2seq.version import __version__

BLOCKS_PER_ENTRY = 10  # that are written between two entries of the journal: 200,000 pairs


def prepare(
    recipe: Recipe,
    folder: str | os.PathLike[str] | None = None,
    *,
    fine_tune: str | os.PathLike[str] | None = None,
    num_threads: int | None = None,
    force: bool = False,
    verbose: bool | None = None,
) -> PreparedPairs:
    """Encodes the pairs of a recipe into files that a training maps into memory.

    The memory it takes does not grow with the corpus: texts are read as a stream (once to count
    and check them, once for the tokenizers, once to encode them), and sorted on the disk. A
    preparation may be killed at any moment; the same call goes on where it was. Until all is done,
    nothing has the name of the folder. Trainings from the folder are those from the texts, bit by
    bit.

    Args:
        recipe: Names the pairs, the tokenizers and `model.max_length`.
        folder: The folder to write; None takes `data.prepared` of the recipe. A folder that was
            prepared from the same files with the same settings is returned as it is.
        fine_tune: Folder of a run whose tokenizers are taken, for a training that starts from it.
        num_threads: int > 0. Threads that encode; None takes all cores.
        force: Replace another prepared folder.
        verbose: Show progress; None does so on a terminal.
    Returns:
        The prepared pairs.
    Raises:
        BlockingIOError: If another process prepares in the folder.
        CorpusError: If the texts are faulty and `data.policy` is "refuse".
        FileExistsError: If the folder exists and holds something else.
        PreparedError: If the texts were changed while they were prepared.
        ValueError: If no folder is named, or pairs are too long and `data.policy` is "refuse".
    """
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"`num_threads` must be at least 1. Received: {num_threads}.")
    path = recipe.prepared if folder is None else pathlib.Path(folder)
    if path is None:
        raise ValueError(
            "`folder` must say where the pairs are written. Received: None, and no data.prepared "
            "in the recipe."
        )
    path = pathlib.Path(os.path.abspath(path))
    with locked(path.with_name(f".lock-{path.name}"), f"the prepared folder {path}"):
        tokenizers = None if fine_tune is None else TokenizerPair.load(fine_tune)
        given = _given(recipe, tokenizers)
        if os.path.lexists(path) and (found := _existing(path, given, force=force)):
            return found
        work = Preparation(path, given)
        try:
            if not work.is_complete:
                _prepare(recipe, work, tokenizers, num_threads or os.cpu_count() or 1, verbose)
            work.finish()
        except ValueError:  # what is refused is not gone on with
            work.discard()
            raise
    return PreparedPairs(path)


def _given(recipe: Recipe, tokenizers: TokenizerPair | None) -> dict[str, Any]:
    """Returns what decides all that is written."""
    taken = [] if tokenizers is None else [tokenizers.source, tokenizers.target]
    return {
        "settings": recipe.preparation,
        "read": [] if recipe.data.format == "phrasebook" else identities(files_of(recipe)),
        "tokenizers": [hashlib.sha256(one.to_bytes()).hexdigest() for one in taken],
    }


def _existing(path: pathlib.Path, given: dict[str, Any], *, force: bool) -> PreparedPairs | None:
    """Returns the prepared pairs that are there already; None if they are to be replaced."""
    if not (path / META).is_file():
        raise FileExistsError(
            f"{path} exists and holds no prepared pairs. Name another folder; this one is not "
            "overwritten."
        )
    if force:
        return None
    found = PreparedPairs(path)
    if found.given == given:
        return found
    found.check_settings(given["settings"])
    raise FileExistsError(
        f"{path} was prepared from files that were changed since, or with other tokenizers. Pass "
        "--force (force=True) to prepare it again, or name another folder."
    )


def _prepare(
    recipe: Recipe,
    work: Preparation,
    tokenizers: TokenizerPair | None,
    num_threads: int,
    verbose: bool | None,
) -> None:
    now = work.progress
    if now.report is None:
        parts = StreamedParts.open(recipe)
        work.write_texts({"validation": parts.validation, "test": parts.test})
        now.report = parts.report
        work.keep()
    else:
        parts = StreamedParts.reopen(recipe, *work.texts(), now.report)
    if not now.has_tokenizers:
        if tokenizers is None:
            tokenizers = within_reach_of_signals(lambda: recipe_tokenizers(recipe, parts.train))
        tokenizers.save(work.folder)
        now.has_tokenizers = True
        work.keep()
    tokenizers = TokenizerPair.load(work.folder)
    _encode(recipe, work, parts.train, tokenizers, num_threads, verbose)
    _check_unchanged(recipe, work)
    _write_index(recipe, work, tokenizers)


def _encode(
    recipe: Recipe,
    work: Preparation,
    train: Iterable[Pair],
    tokenizers: TokenizerPair,
    num_threads: int,
    verbose: bool | None,
) -> None:
    """Writes the ids of the pairs that are not written yet."""
    now = work.progress
    digest = hashlib.blake2b(digest_size=16)
    pairs = iter(train)
    for texts in in_blocks(itertools.islice(pairs, now.read)):
        digest.update(_joined(texts))
    if now.read and digest.hexdigest() != now.digest:
        raise _changed(work.result)

    def encode(texts: list[Pair]) -> Block:
        return encode_block(texts, tokenizers, recipe.max_length, num_threads)

    with progress(None, "pairs encoded", verbose) as advance:
        for number, (block, read) in enumerate(_encoded(pairs, encode, digest), 1):
            work.append(block)
            now.digest = read
            _check_lengths(recipe, now)
            advance(len(block.kept) + block.dropped)
            if number % BLOCKS_PER_ENTRY == 0:
                work.keep()
    if not now.pairs:
        raise ValueError(
            f"At least one pair must fit. Received: {now.read} pairs, none within "
            f"model.max_length={recipe.max_length} tokens."
        )
    work.keep()


def _encoded(
    pairs: Iterator[Pair], encode: Callable[[list[Pair]], Block], digest: Any
) -> Iterator[tuple[Block, str]]:
    """Yields blocks of pairs, and the digest of all texts up to the end of each.

    SentencePiece works in other threads while the next texts are read.
    """
    with ThreadPoolExecutor(1) as pool:
        waiting: tuple[Future[Block], str] | None = None
        for texts in itertools.chain(in_blocks(pairs), [None]):
            before = waiting
            if texts is not None:
                digest.update(_joined(texts))
                waiting = pool.submit(encode, texts), digest.hexdigest()
            if before is not None:
                yield before[0].result(), before[1]


def _joined(texts: list[Pair]) -> bytes:
    # No text has a NUL inside.
    return "".join(f"{source}\0{target}\0" for source, target in texts).encode()


def _check_lengths(recipe: Recipe, now: Progress) -> None:
    if now.dropped and recipe.data.policy == "refuse":
        raise ValueError(
            f"Every training pair must fit the model. Received: {now.dropped} of the first "
            f"{now.read} training pairs have a side of more than model.max_length="
            f"{recipe.max_length} tokens, up to {now.longest}; raise model.max_length, or leave "
            'them out with data.policy = "drop".'
        )


def _check_unchanged(recipe: Recipe, work: Preparation) -> None:
    if recipe.data.format == "phrasebook":
        return
    try:
        found = identities(files_of(recipe))
    except FileNotFoundError:
        found = []
    if found != work.progress.given["read"]:
        raise _changed(work.result)


def _changed(path: pathlib.Path) -> PreparedError:
    return PreparedError(
        f"The texts of {path} were changed while they were prepared. Nothing of it is kept; start "
        "again when they stay as they are."
    )


def _write_index(recipe: Recipe, work: Preparation, tokenizers: TokenizerPair) -> None:
    """Writes what finds the ids of a pair, the order by length, and the file about all."""
    folder, now = work.folder, work.progress
    lengths = [folder / f"{side}.lengths" for side in SIDES]
    for side, path in zip(SIDES, lengths, strict=True):
        write_edges(path, folder / f"{side}.edges")
    table, order_type = write_order(lengths[0], lengths[1], recipe.max_length, folder / "order")
    types = {
        f"{side}.ids": id_type(size)
        for side, size in zip(SIDES, tokenizers.vocabulary_sizes, strict=True)
    }
    numbers = (
        part
        for side in SIDES
        for name, kind in ((f"{side}.lengths", LENGTH_TYPE), (f"{side}.ids", types[f"{side}.ids"]))
        for part in read_numbers(folder / name, kind)
    )
    written = ["order", *(f"{side}.{what}" for side in SIDES for what in ("ids", "edges"))]
    written += [*tokenizers.file_names, *(f"{part}.jsonl" for part in PARTS)]
    write_meta(
        folder,
        {
            "package_version": __version__,
            "given": now.given,
            "pairs": now.pairs,
            "dropped": now.dropped,
            "longest": now.longest,
            "max_length": recipe.max_length,
            "report": now.report,
            "types": {**types, "order": order_type},
            "lengths": [column.tolist() for column in (table.counts, table.source, table.target)],
            "digest": digest_of(numbers).hexdigest(),
            "files": {name: file_facts(folder / name) for name in written},
        },
    )
