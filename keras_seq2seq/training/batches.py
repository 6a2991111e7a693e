"""A keras.utils.PyDataset whose batches are a pure function of (seed, epoch, index)."""

import contextlib
import copy
import functools
import hashlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np

from keras_seq2seq.text.pairs import Columns, checked_pairs
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID
from keras_seq2seq.training.batch_plan import BatchPlan, make_buckets
from keras_seq2seq.training.batch_reading import Reading, read_by_fit
from keras_seq2seq.training.encoded_pairs import encode_block, in_blocks, joined
from keras_seq2seq.training.prepared_pairs import PreparedPairs
from keras_seq2seq.training.ragged import Ragged
from keras_seq2seq.training.subword_sampling import SubwordSampler

Batch = tuple[dict[str, np.ndarray], np.ndarray]


MAX_LENGTH = 64  # of pairs of texts, if nothing else is said
# Fingerprints begin with it. Those of earlier releases were one digest of all.
RULE = "2:"


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
        pairs: Pairs (source_text, target_text), or mappings with `columns`; or `PreparedPairs`,
            which stay on the disk and give the same batches.
        tokenizers: The tokenizers of both sides; of prepared pairs their own.
        tokens_per_batch: int > 0. Maximum number of positions in a batch, padding included, on the
            longer side.
        num_shapes: int > 0. Maximum number of shapes [rows, source length, target length].
        max_length: int > 1. Maximum tokens of a side, eos included; a longer pair is left out and
            counted in `num_dropped`. None is 64, or what prepared pairs were prepared with.
        shuffle: True draws a new order in each epoch; False keeps one order, by length.
        sampling_alpha: float, 0 < alpha <= 1. Draws new subword segmentations of both sides in
            each epoch (see `SubwordSampler`); None always takes the best one.
        copies: int > 0. Number of consecutive rows that each pair fills in a batch: 2 for `RDrop`.
        rows_multiple: int > 0. The pairs of every batch, those of padding included, are a multiple
            of it: the number of devices that share the rows under keras.distribution.
        seed: int >= 0. Seed of the order and the segmentations.
        columns: Names of the source and of the target column of mappings, such as the rows of
            csv.DictReader or of a Hugging Face dataset.
    Warns:
        UserWarning: If pairs are left out because they are longer than `max_length`.
    Raises:
        TypeError: If something is not a pair of texts.
        ValueError: If a number is out of its range or no pair is left; or prepared pairs have
            another `max_length` or other tokenizers.
    """

    def __init__(
        self,
        pairs: Iterable[Any] | PreparedPairs,
        tokenizers: TokenizerPair,
        *,
        tokens_per_batch: int = 2048,
        num_shapes: int = 8,
        max_length: int | None = None,
        shuffle: bool = True,
        sampling_alpha: float | None = None,
        copies: int = 1,
        rows_multiple: int = 1,
        seed: int = 0,
        columns: Columns | None = None,
    ) -> None:
        super().__init__()
        counts = {"tokens_per_batch": tokens_per_batch, "num_shapes": num_shapes}
        counts |= {"copies": copies, "rows_multiple": rows_multiple}
        _check_numbers(counts, sampling_alpha, seed)
        self.tokenizers = tokenizers
        self.shuffle = shuffle
        self.seed = seed
        self.sampling_alpha = sampling_alpha
        self.copies = copies
        self.rows_multiple = rows_multiple
        self.part = (0, 1)
        self.position = 0
        self._begun = False
        self._num_read = 0
        if isinstance(pairs, PreparedPairs):
            pairs.check_used_with(tokenizers, max_length)
            self.pairs: Any = pairs
            self._encoded = pairs.encoded
            self.num_dropped, self.longest = pairs.num_dropped, pairs.longest
        else:
            self._encode(pairs, columns, MAX_LENGTH if max_length is None else max_length)
        self._samplers: list[SubwordSampler] = []
        if sampling_alpha is not None:
            sides = (tokenizers.source, tokenizers.target)
            self._samplers = [SubwordSampler(side, sampling_alpha) for side in sides]
        self.num_target_tokens = self._encoded.num_target_tokens
        table, tokens = self._encoded.table, tokens_per_batch // copies
        self.buckets = make_buckets(
            self._encoded.order, table, tokens, num_shapes, rows_multiple=rows_multiple
        )
        self._plan = BatchPlan(self.buckets, shuffle=shuffle, seed=seed)

    def _encode(self, pairs: Iterable[Any], columns: Columns | None, max_length: int) -> None:
        given = list(checked_pairs(pairs, columns))
        blocks = [encode_block(block, self.tokenizers, max_length) for block in in_blocks(given)]
        self.num_dropped = sum(block.dropped for block in blocks)
        self.longest = max((block.longest for block in blocks), default=0)
        num_kept = len(given) - self.num_dropped
        _tell_dropped(len(given), num_kept, max_length, self.longest)
        self._encoded, kept = joined(blocks)
        self.pairs = [given[i] for i in kept]

    def __len__(self) -> int:
        return len(self._plan)

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

    def share(self, index: int, count: int) -> "PairBatches":
        """Returns the same batches of which this process reads its rows alone.

        The rows of all processes, one after the other, are those of the whole batch, segmentations
        included; with `keras.distribution`, `fit` trains on the whole batch. Length, epoch and
        fingerprint are those of the whole.

        Args:
            index: int, 0 <= index < count. Number of this process.
            count: int > 0. Number of processes; it must divide `rows_multiple`.
        Raises:
            ValueError: If a number is out of its range.
        """
        if not 0 <= index < count or self.rows_multiple % count:
            raise ValueError(
                "`index` must be 0 to `count` - 1, and `count` must divide `rows_multiple`. "
                f"Received: {index} of {count}, rows_multiple={self.rows_multiple}."
            )
        shared = copy.copy(self)
        shared.part = (index, count)
        return shared

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
            a row of labels is y + eos. After `share` the rows of this process.
        """
        bucket, members = self._plan.members(epoch, index)
        rows = bucket.batch_size // self.part[1]
        chosen = slice(self.part[0] * rows, (self.part[0] + 1) * rows)
        if not self._samplers:
            members = members[chosen]
        sources, targets = (
            side.rows(members) for side in (self._encoded.source, self._encoded.target)
        )
        if self._samplers:
            draws = np.random.Generator(np.random.Philox(key=[self.seed, epoch]).jumped(index + 1))
            source, target = self._samplers
            sources = _redraw(source, sources, bucket.source_length, draws, chosen)
            targets = _redraw(target, targets, bucket.target_length, draws, chosen)
        labels = targets.padded(rows, bucket.target_length)
        target_ids = np.zeros_like(labels)
        target_ids[:, 1:] = np.where(labels[:, 1:] == 0, 0, labels[:, :-1])
        target_ids[: len(targets), 0] = BOS_ID
        inputs = {
            "source_ids": sources.padded(rows, bucket.source_length),
            "target_ids": target_ids,
        }
        if self.copies == 1:
            return inputs, labels
        inputs = {name: np.repeat(ids, self.copies, axis=0) for name, ids in inputs.items()}
        return inputs, np.repeat(labels, self.copies, axis=0)

    @property
    def padding_share(self) -> float:
        """Share of target positions of an epoch that are padding, 0 to 1."""
        positions = sum(len(b) * b.batch_size * b.target_length for b in self.buckets)
        return 1 - self.num_target_tokens / positions

    @functools.cached_property
    def fingerprint(self) -> str:
        """A digest of all that the batches depend on; a resumed training checks it."""
        digest = hashlib.sha256(self._encoded.digest.encode())
        digest.update(self._drawn_by())
        return RULE + digest.hexdigest()

    def fingerprint_like(self, kept: str) -> str:
        """Returns the fingerprint by the rule that a kept one was made by.

        Args:
            kept: The `fingerprint` of some batches, by this release or an earlier one.
        """
        if kept.startswith(RULE):
            return self.fingerprint
        digest = self._encoded.hashed()
        digest.update(self._drawn_by())
        return str(digest.hexdigest())

    def _drawn_by(self) -> bytes:
        """Returns what the batches depend on besides the pairs."""
        shapes = [(b.source_length, b.target_length, b.batch_size) for b in self.buckets]
        drawn_by = (self.shuffle, self.seed, self.sampling_alpha, self.copies)
        order = () if self._plan.is_drawn else ("computed order",)
        return repr((shapes, drawn_by, *order)).encode()

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


def _check_numbers(counts: dict[str, int], sampling_alpha: float | None, seed: int) -> None:
    faults = [f"`{n}` must be at least 1. Received: {v}." for n, v in counts.items() if v < 1]
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
    sampler: SubwordSampler, rows: Ragged, length: int, draws: np.random.Generator, chosen: slice
) -> Ragged:
    """Returns new segmentations of chosen rows, which end in eos; keeps a row if it gets too long.

    Numbers are drawn for all rows.
    """
    drawn = sampler.sample_rows(rows.without_last(), draws, chosen).with_last(EOS_ID)
    kept = np.flatnonzero(drawn.lengths > length)
    given = range(*chosen.indices(len(rows)))
    old = rows.rows(np.array([given[i] for i in kept], "int64"))
    return drawn.replaced(kept, old) if len(kept) else drawn
