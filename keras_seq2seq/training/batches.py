"""A keras.utils.PyDataset whose batches are a pure function of (seed, epoch, index)."""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from keras_seq2seq.text.pairs import Columns, checked_pairs
from keras_seq2seq.text.tokenizer import TokenizerPair, pad_batch
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID
from keras_seq2seq.training.batch_reading import Reading, read_by_fit
from keras_seq2seq.training.subword_sampling import SubwordSampler

Batch = tuple[dict[str, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Bucket:
    """The pairs whose batches share one fixed shape.

    Args:
        members: int64, shape (pairs,). Indices of the pairs.
        source_length: int > 0. Source positions of every batch, eos included.
        target_length: int > 0. Target positions of every batch.
        batch_size: int > 0. Number of pairs in every batch.
    """

    members: np.ndarray
    source_length: int
    target_length: int
    batch_size: int


class PairBatches(keras.utils.PyDataset):
    """Batches of sentence pairs, grouped by length and padded to a few fixed shapes.

    Batch `index` of epoch `epoch` depends only on the pairs, the seed and these two numbers, so a
    run can be resumed at any batch or split between processes. The last batch of a shape is filled
    up with rows of padding.

    `Seq2Seq.fit` goes on where the last `fit` ended, with `steps_per_epoch` from batch to batch
    across the epochs; with `initial_epoch`, epoch e reads the batches of epoch e. The order is
    that of the batches, whatever the `shuffle` of `fit`. Validation and `evaluate` read the
    current epoch and change nothing. A model of another class reads whole epochs alone.

    Args:
        pairs: Pairs (source_text, target_text), or mappings with `columns`.
        tokenizers: The tokenizers of both sides.
        tokens_per_batch: int > 0. Maximum number of positions in a batch, padding included, on the
            longer side.
        num_shapes: int > 0. Maximum number of shapes [rows, source length, target length].
        max_length: int > 1. Maximum tokens of a side, eos included; a longer pair is left out and
            counted in `num_dropped`.
        shuffle: True draws a new order in each epoch; False keeps one order, by length.
        sampling_alpha: float, 0 < alpha <= 1. Draws new subword segmentations of both sides in
            each epoch (see `SubwordSampler`); None always takes the best one.
        copies: int > 0. Number of consecutive rows that each pair fills in a batch: 2 for `RDrop`.
        seed: int >= 0. Seed of the order and the segmentations.
        columns: Names of the source and of the target column of mappings, such as the rows of
            csv.DictReader or of a Hugging Face dataset.
    Warns:
        UserWarning: If pairs are left out because they are longer than `max_length`.
    Raises:
        TypeError: If something is not a pair of texts.
        ValueError: If a number is out of its range or no pair is left.
    """

    def __init__(
        self,
        pairs: Iterable[Any],
        tokenizers: TokenizerPair,
        *,
        tokens_per_batch: int = 2048,
        num_shapes: int = 8,
        max_length: int = 64,
        shuffle: bool = True,
        sampling_alpha: float | None = None,
        copies: int = 1,
        seed: int = 0,
        columns: Columns | None = None,
    ) -> None:
        super().__init__()
        _check_numbers(tokens_per_batch, num_shapes, sampling_alpha, copies, seed)
        self.tokenizers = tokenizers
        self.shuffle = shuffle
        self.seed = seed
        self.sampling_alpha = sampling_alpha
        self.copies = copies
        self.position = 0
        self._begun = False
        self._num_read = 0
        given = list(checked_pairs(pairs, columns))
        sources = tokenizers.source.encode((source for source, _ in given), add_eos=True)
        targets = tokenizers.target.encode((target for _, target in given), add_eos=True)
        longest = [max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]
        kept = [i for i, length in enumerate(longest) if length <= max_length]
        self.num_dropped = len(given) - len(kept)
        self.longest = max(longest, default=0)
        _tell_dropped(len(given), len(kept), max_length, self.longest)
        self.pairs = [given[i] for i in kept]
        self._sources = [sources[i] for i in kept]
        self._targets = [targets[i] for i in kept]
        self._samplers: list[SubwordSampler] = []
        if sampling_alpha is not None:
            sides = (tokenizers.source, tokenizers.target)
            self._samplers = [SubwordSampler(side, sampling_alpha) for side in sides]
        self.num_target_tokens = sum(map(len, self._targets))
        self.buckets = _buckets(
            self._sources, self._targets, tokens_per_batch // copies, num_shapes
        )
        self._plan = functools.lru_cache(maxsize=2)(self._make_plan)

    def __len__(self) -> int:
        return sum(-(-len(bucket.members) // bucket.batch_size) for bucket in self.buckets)

    def __getitem__(self, index: int) -> Batch:
        """Returns a batch of the current epoch; indices from `len(self)` on are of later ones."""
        self._num_read += self._begun
        later = max(0, index // len(self))
        return self.batch(self.epoch + later, index - later * len(self))

    @property
    def epoch(self) -> int:
        """The epoch that is read; `position` is the number of batches before the next one."""
        return self.position // len(self)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.position = epoch * len(self)

    def read_by_fit(
        self, initial_epoch: int, steps: int | None, steps_per_execution: int
    ) -> contextlib.AbstractContextManager[tuple[Reading, keras.callbacks.Callback]]:
        """See `batch_reading.read_by_fit`."""
        return read_by_fit(self, initial_epoch, steps, steps_per_execution)

    def read_by_evaluate(self) -> Reading:
        """Returns the batches of the current epoch; reading them changes nothing here."""
        return Reading(self, 0, len(self))

    def __repr__(self) -> str:
        pairs = f"{len(self.pairs)} pairs, {self.num_dropped} left out"
        shapes = f"{len(self)} batches of {len(self.buckets)} shapes"
        return f"PairBatches({pairs}, {shapes}, epoch={self.epoch})"

    def on_epoch_begin(self) -> None:
        self._begun, self._num_read = True, 0

    def on_epoch_end(self) -> None:
        # On JAX, `fit` also calls this before its first epoch, after it has read some batch.
        self.epoch += self._begun and self._num_read >= len(self)
        self._begun = False

    def batch(self, epoch: int, index: int) -> Batch:
        """Returns one batch.

        Args:
            epoch: int >= 0.
            index: int, 0 <= index < len(self).
        Returns:
            ({"source_ids": int32 (rows, source_length), "target_ids": int32 (rows,
            target_length)}, labels int32 (rows, target_length)); a row of target_ids is bos + y,
            a row of labels is y + eos.
        """
        bucket, members = self._plan(epoch if self.shuffle else 0)[index]
        sources = [self._sources[i] for i in members]
        targets = [self._targets[i] for i in members]
        if self._samplers:
            draws = np.random.Generator(np.random.Philox(key=[self.seed, epoch]).jumped(index + 1))
            source, target = self._samplers
            sources = _redraw(source, sources, bucket.source_length, draws)
            targets = _redraw(target, targets, bucket.target_length, draws)
        inputs = {
            "source_ids": _fill(sources, bucket.source_length, bucket.batch_size),
            "target_ids": _fill(
                [[BOS_ID, *ids[:-1]] for ids in targets], bucket.target_length, bucket.batch_size
            ),
        }
        labels = _fill(targets, bucket.target_length, bucket.batch_size)
        if self.copies == 1:
            return inputs, labels
        inputs = {name: np.repeat(ids, self.copies, axis=0) for name, ids in inputs.items()}
        return inputs, np.repeat(labels, self.copies, axis=0)

    @property
    def padding_share(self) -> float:
        """Share of target positions of an epoch that are padding, 0 to 1."""
        positions = sum(
            -(-len(b.members) // b.batch_size) * b.batch_size * b.target_length
            for b in self.buckets
        )
        return 1 - self.num_target_tokens / positions

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digest of all that the batches depend on; a resumed training checks it."""
        digest = hashlib.sha256()
        for side in (self._sources, self._targets):
            digest.update(np.array([len(ids) for ids in side], "int64").tobytes())
            digest.update(np.concatenate(side).astype("int64").tobytes())
        shapes = [(b.source_length, b.target_length, b.batch_size) for b in self.buckets]
        drawn_by = (self.shuffle, self.seed, self.sampling_alpha, self.copies)
        digest.update(repr((shapes, drawn_by)).encode())
        return digest.hexdigest()

    def as_tf_dataset(self) -> Any:
        """Returns a tf.data.Dataset of the same batches; each pass over it is the next epoch.

        Its cardinality is known, so `fit` knows the number of steps in an epoch. A pass counts as
        soon as it begins. With `steps_per_epoch`, pass `as_tf_dataset().repeat()` to `fit`: Keras
        ends an epoch early where a dataset ends.
        """
        import tensorflow as tf

        def one_epoch() -> Iterator[Batch]:
            epoch = self.epoch
            # Not at its end: a reader that leaves early would get the same batches for ever.
            self.epoch = epoch + 1
            for index in range(len(self)):
                yield self.batch(epoch, index)

        ids = tf.TensorSpec((None, None), tf.int32)
        signature = ({"source_ids": ids, "target_ids": ids}, ids)
        dataset = tf.data.Dataset.from_generator(one_epoch, output_signature=signature)
        return dataset.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(2)

    def _make_plan(self, epoch: int) -> list[tuple[Bucket, np.ndarray]]:
        """Returns the bucket and the members of each batch of an epoch."""
        generator = np.random.Generator(np.random.Philox(key=[self.seed, epoch]))
        plan = []
        for bucket in self.buckets:
            order = generator.permutation(bucket.members) if self.shuffle else bucket.members
            cuts = range(0, len(order), bucket.batch_size)
            plan += [(bucket, order[cut : cut + bucket.batch_size]) for cut in cuts]
        order = generator.permutation(len(plan)) if self.shuffle else np.arange(len(plan))
        # Keras reads off the first two batches which axes vary: the longest, then the shortest.
        shapes = [plan[i][0].source_length + plan[i][0].target_length for i in order]
        first, second = int(np.argmax(shapes)), int(np.argmin(shapes))
        ends = [order[first], order[second]] if first != second else [order[first]]
        rest = [i for i in order if i not in ends]
        return [plan[i] for i in (*ends, *rest)]


def _check_numbers(
    tokens_per_batch: int, num_shapes: int, sampling_alpha: float | None, copies: int, seed: int
) -> None:
    numbers = {"tokens_per_batch": tokens_per_batch, "num_shapes": num_shapes, "copies": copies}
    faults = [f"`{n}` must be at least 1. Received: {v}." for n, v in numbers.items() if v < 1]
    if sampling_alpha is not None and not 0 < sampling_alpha <= 1:
        faults.append(
            f"`sampling_alpha` must be above 0 and at most 1. Received: {sampling_alpha}."
        )
    if seed < 0:
        faults.append(f"`seed` must be at least 0. Received: {seed}.")
    if faults:
        raise ValueError("\n".join(faults))


def _tell_dropped(num_given: int, num_kept: int, max_length: int, longest: int) -> None:
    if not num_kept:
        raise ValueError(
            "At least one pair must fit. Received: "
            f"{num_given} pairs, none within max_length={max_length} tokens."
        )
    if num_kept < num_given:
        warnings.warn(
            f"{num_given - num_kept} of {num_given} pairs are left out: a side has more than "
            f"max_length={max_length} tokens, up to {longest}. Pass a larger max_length, "
            "to the model too, to keep them.",
            stacklevel=3,
        )


def _redraw(
    sampler: SubwordSampler, rows: list[list[int]], length: int, draws: np.random.Generator
) -> list[list[int]]:
    """Returns new segmentations of rows that end in eos; keeps a row if its new one is too long."""
    drawn = [[*sampler.sample(row[:-1], draws), EOS_ID] for row in rows]
    return [new if len(new) <= length else row for new, row in zip(drawn, rows, strict=True)]


def _fill(rows: list[list[int]], length: int, batch_size: int) -> np.ndarray:
    return pad_batch([*rows, *[[]] * (batch_size - len(rows))], length)


def _buckets(
    sources: list[list[int]], targets: list[list[int]], tokens_per_batch: int, num_shapes: int
) -> list[Bucket]:
    """Sorts the pairs by length and cuts them into buckets of about equally many tokens."""
    lengths = np.array([(len(s), len(t)) for s, t in zip(sources, targets, strict=True)])
    order = np.lexsort((lengths.min(1), lengths.max(1)))
    longest = lengths.max(1)[order]
    share = np.cumsum(longest) / longest.sum()
    cuts = np.searchsorted(share, np.arange(1, num_shapes) / num_shapes)
    # Equal lengths stay together, or two buckets would have the same shape.
    edges = sorted({0, *np.searchsorted(longest, longest[cuts], side="right"), len(order)})
    buckets: list[Bucket] = []
    source_length = target_length = 0
    for start, stop in itertools.pairwise(edges):
        members = order[start:stop]
        # Never shorter than the bucket before: if any two differ, the first and the last do.
        source_length, target_length = np.maximum(
            lengths[members].max(0), (source_length, target_length)
        )
        rows = max(1, tokens_per_batch // max(source_length, target_length))
        buckets.append(Bucket(members, int(source_length), int(target_length), int(rows)))
    return buckets
