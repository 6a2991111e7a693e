"""A lexical shortlist, learnt from a corpus: the likely target ids of each source id."""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from keras_seq2seq.file_formats.npz_file import read_npz
from keras_seq2seq.text.pairs import checked_pairs
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID, check_vocabulary_sizes
from keras_seq2seq.whole_file import whole_file

Pair = tuple[Sequence[int], Sequence[int]]
PAIRS_AT_ONCE = 5000


@dataclasses.dataclass(frozen=True, eq=False)
class Shortlist:
    """The target ids that a search may choose, by the ids of its source.

    The output layer of a search then computes some hundreds of columns instead of the vocabulary,
    and log-probabilities are over those columns.

    Args:
        always: int32, shape (num_frequent,), ascending. Ids that any translation may have, eos
            included.
        candidates: int32, shape (source_vocabulary_size, num_candidates). The likeliest target ids
            of each source id, then zeros.
        target_vocabulary_size: int > 0.
    Raises:
        ValueError: If an array has another dtype, rank or range.
    Reference:
        Jean et al. 2015, section 3.2; L'Hostis et al. 2016 (lexical translation).
    """

    always: np.ndarray
    candidates: np.ndarray
    target_vocabulary_size: int

    def __repr__(self) -> str:
        shapes = f"always={self.always.shape}, candidates={self.candidates.shape}"
        return f"Shortlist({shapes}, target_vocabulary_size={self.target_vocabulary_size})"

    def __post_init__(self) -> None:
        size = self.target_vocabulary_size
        faults = []
        for name, rank in (("always", 1), ("candidates", 2)):
            array = getattr(self, name)
            if array.ndim != rank or array.dtype != np.int32:
                faults.append(
                    f"`{name}` is {array.dtype} of rank {array.ndim}, not int32 of {rank}"
                )
            elif array.size and not 0 <= array.min() <= array.max() < size:
                faults.append(f"`{name}` has ids outside 0 to {size - 1}")
            elif (array == BOS_ID).any():
                faults.append(f"`{name}` has bos")
        if not faults and (EOS_ID not in self.always or (np.diff(self.always) <= 0).any()):
            faults.append("`always` lacks eos or does not rise")
        if faults:
            raise ValueError(f"A shortlist must hold target ids. Received: {'; '.join(faults)}.")

    @classmethod
    def learn(
        cls,
        pairs: Iterable[Pair],
        source_vocabulary_size: int,
        target_vocabulary_size: int,
        *,
        num_candidates: int = 20,
        num_frequent: int = 100,
        iterations: int = 5,
    ) -> "Shortlist":
        """Learns the probabilities of translating single ids by expectation maximization.

        Args:
            pairs: Source and target ids of sentences that translate each other, without eos. Memory
                use grows with the sum of the products of their lengths.
            source_vocabulary_size: int > 0.
            target_vocabulary_size: int > 0.
            num_candidates: int > 0. Maximum number of target ids of a source id.
            num_frequent: int > 0. Number of most frequent target ids that are always candidates.
            iterations: int > 0. Training passes over the pairs.
        Raises:
            ValueError: If there is no pair, or a number is not positive.
        Reference:
            Brown et al. 1993, section 4.1 (model 1).
        """
        given = [
            (np.array(s, "int32"), np.array(t, "int32")) for s, t in pairs if len(s) and len(t)
        ]
        numbers = (num_candidates, num_frequent, iterations)
        if not given or min(numbers) < 1:
            raise ValueError(
                "A shortlist is learnt from at least one pair, with positive `num_candidates`, "
                f"`num_frequent` and `iterations`. Received: {len(given)} pairs, {numbers}."
            )
        lexicon = _Lexicon(given, target_vocabulary_size)
        for _ in range(iterations):
            lexicon.improve()
        counts = np.bincount(np.concatenate([t for _, t in given]), minlength=EOS_ID + 1)
        special = [PAD_ID, BOS_ID, EOS_ID, UNK_ID]
        counts[special] = 0
        frequent = np.argsort(-counts, kind="stable")[:num_frequent]
        always = np.unique([EOS_ID, UNK_ID, *frequent[counts[frequent] > 0]]).astype("int32")
        candidates = lexicon.best(source_vocabulary_size, num_candidates)
        # `always` holds eos and unk; a search never chooses pad and bos.
        candidates[np.isin(candidates, special)] = PAD_ID
        return cls(always, candidates, target_vocabulary_size)

    @classmethod
    def of_texts(
        cls, pairs: Iterable[tuple[str, str]], tokenizers: TokenizerPair, **options: int
    ) -> "Shortlist":
        """Learns a shortlist from texts that translate each other.

        Args:
            pairs: Source and target texts.
            tokenizers: Those of the model.
            **options: `num_candidates`, `num_frequent` and `iterations` of `learn`.
        Raises:
            TypeError: If something is not a pair of texts.
            ValueError: See `learn`.
        """
        texts = list(checked_pairs(pairs))
        ids = zip(
            tokenizers.source.encode([source for source, _ in texts]),
            tokenizers.target.encode([target for _, target in texts]),
            strict=True,
        )
        return cls.learn(ids, *tokenizers.vocabulary_sizes, **options)

    def check_vocabularies(self, source_size: int, target_size: int) -> None:
        """Checks that the shortlist was learnt for vocabularies of these sizes.

        Raises:
            ValueError: If it was not.
        """
        received = len(self.candidates), self.target_vocabulary_size
        check_vocabulary_sizes("`shortlist`", received, (source_size, target_size))

    def mask(self, source_ids: np.ndarray) -> np.ndarray:
        """Returns which target ids each source allows.

        Args:
            source_ids: int32, shape (batch, source_length), padded with 0.
        Returns:
            bool, shape (batch, target_vocabulary_size).
        """
        allowed = np.zeros((len(source_ids), self.target_vocabulary_size), bool)
        allowed[:, self.always] = True
        found = self.candidates[source_ids].reshape(len(source_ids), -1)
        np.put_along_axis(allowed, found, True, axis=1)
        allowed[:, PAD_ID] = False
        return allowed

    def save(self, path: pathlib.Path) -> None:
        """Writes the shortlist to an .npz file, whole or not at all."""
        size = np.array(self.target_vocabulary_size)
        with whole_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file, always=self.always, candidates=self.candidates, target_vocabulary_size=size
            )

    @classmethod
    def load(cls, path: pathlib.Path) -> "Shortlist":
        """Reads a shortlist that `save` wrote.

        Raises:
            ValueError: If the file cannot be read.
        """
        try:
            arrays = read_npz(path, ("target_vocabulary_size", "always", "candidates"))
            size = int(arrays["target_vocabulary_size"])
            return cls(arrays["always"], arrays["candidates"], size)
        except (ValueError, TypeError, OSError) as error:
            raise ValueError(
                f"The shortlist {path} cannot be read: {error}. Learn it again and write it with "
                "`Shortlist.save`."
            ) from error


class _Lexicon:
    """Probabilities of target ids given source ids, for all ids that occur in one pair.

    Each source begins with a null id, 0, which explains target ids that translate nothing.
    """

    def __init__(self, pairs: list[tuple[np.ndarray, np.ndarray]], target_size: int) -> None:
        self.size = target_size
        self.links = list(_links(pairs, target_size))
        self.keys = np.unique(np.concatenate([np.unique(keys) for keys, _ in self.links]))
        self.links = [(np.searchsorted(self.keys, keys), starts) for keys, starts in self.links]
        self.sources = self.keys // target_size
        self.probabilities = np.ones(len(self.keys))

    def improve(self) -> None:
        """Counts how much of each target token a source id explains, then normalizes."""
        counts = np.zeros(len(self.keys))
        for places, starts in self.links:
            found = self.probabilities[places]
            totals = np.add.reduceat(found, starts)
            lengths = np.diff([*starts, len(found)])
            counts += np.bincount(places, found / np.repeat(totals, lengths), len(self.keys))
        totals = np.bincount(self.sources, counts)
        self.probabilities = counts / totals[self.sources]

    def best(self, source_size: int, count: int) -> np.ndarray:
        """Returns the likeliest target ids of each source id, (source_size, count), then zeros."""
        order = np.lexsort((self.keys, -self.probabilities, self.sources))
        sources = self.sources[order]
        firsts = np.searchsorted(sources, sources)
        ranks = np.arange(len(order)) - firsts
        kept = (ranks < count) & (sources > 0)
        result = np.zeros((source_size, count), "int32")
        result[sources[kept], ranks[kept]] = self.keys[order][kept] % self.size
        return result


def _links(
    pairs: list[tuple[np.ndarray, np.ndarray]], target_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields, for some pairs at a time, a key for each pair of source and target ids.

    Returns:
        keys: int64. source * target_size + target.
        starts: int64. Where the keys of each target token start.
    """
    for first in range(0, len(pairs), PAIRS_AT_ONCE):
        keys, lengths = [], []
        for source, target in pairs[first : first + PAIRS_AT_ONCE]:
            with_null = np.concatenate([[PAD_ID], source]).astype("int64")
            keys.append((with_null[None, :] * target_size + target[:, None]).reshape(-1))
            lengths.append(np.full(len(target), len(with_null)))
        ends = np.cumsum(np.concatenate(lengths))
        yield np.concatenate(keys), np.concatenate([[0], ends[:-1]])
