"""Text in, text out, over any runtime."""

import itertools
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from keras_seq2seq.decoding.host.rules import check_prefixes
from keras_seq2seq.decoding.host.scoring import Score, score
from keras_seq2seq.decoding.host.shortlist_step import ALLOWED, shortlist_step
from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis, naming
from keras_seq2seq.decoding.prefixes import Prefixes, paired, prefix_ids
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.decoding.strategies import GREEDY
from keras_seq2seq.decoding.strategy import HostStep, Strategy
from keras_seq2seq.progress import progress
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.text.length_batches import length_batches
from keras_seq2seq.text.pairs import checked_texts
from keras_seq2seq.text.tokenizer import TokenizerPair, pad_batch, unpadded_length
from keras_seq2seq.translation import Translation, translations

if TYPE_CHECKING:
    from keras_seq2seq.models.contract import TrainedModel

SEARCHES = ("in_file", "host")
# What a translator that is opened again keeps of the one that was pickled.
KEPT = ("max_length", "search", "strategy", "longest_source")


class Translator:
    """Translates texts with a search over any runtime.

    Args:
        runtime: What runs the model.
        tokenizers: Text to ids and back.
        max_length: int > 0. Longest translation of the host search in tokens, eos included; a
            longer one is cut. The search inside a file has its own limit.
        search: "in_file" (the search inside the artefact) or "host" (NumPy over its steps);
            None takes "in_file" where that has the strategy.
        strategy: `Greedy()`, the default, `BeamSearch(...)` or `Sampling(...)`.
        shortlist: Candidates of the host search; with None it chooses from all ids. The search
            inside a file has its own.
        longest_source: int > 0. Most tokens of a source that the model has positions for, eos
            included; None means no limit.
        reopen: Opens the same artefact again, in another process too; a translator with it can be
            pickled. `load` passes one.
    Raises:
        ValueError: If `search` is unknown, `max_length` is not positive, the shortlist is for other
            vocabularies, or `search` is "in_file" and the artefact does not have the strategy.
    """

    def __init__(
        self,
        runtime: Runtime,
        tokenizers: TokenizerPair,
        *,
        max_length: int,
        search: str | None = None,
        strategy: Strategy | None = None,
        shortlist: Shortlist | None = None,
        longest_source: int | None = None,
        reopen: "Callable[[], Translator] | None" = None,
    ) -> None:
        self.strategy = strategy or GREEDY
        if search is None:
            search = "in_file" if runtime.has(self.strategy) else "host"
        if search not in SEARCHES:
            raise ValueError(f"`search` must be one of {SEARCHES}. Received: {search!r}.")
        _check_positive(max_length=max_length)
        if shortlist is not None:
            shortlist.check_vocabularies(*tokenizers.vocabulary_sizes)
        if search == "in_file" and not runtime.has(self.strategy):
            raise ValueError(
                f"search='in_file' needs an artefact with that search inside. Received: a "
                f"{runtime.name} artefact without {strategy}; pass search='host' for it."
            )
        self.runtime = runtime
        self.tokenizers = tokenizers
        self.max_length = max_length
        self.search = search
        self.shortlist = shortlist
        self.longest_source = longest_source
        self.reopen = reopen

    def __reduce__(self) -> Any:
        if self.reopen is None:
            raise pickle.PicklingError(
                "Only a translator that `load` opened can be pickled: another process opens its "
                f"bundle again. Received: {self!r}; export the model, and load the bundle."
            )
        return _opened_again, (self.reopen, {name: getattr(self, name) for name in KEPT})

    def __copy__(self) -> "Translator":
        return self.with_strategy(self.strategy, search=self.search)

    def __repr__(self) -> str:
        return (
            f"Translator(runtime={self.runtime.name!r}, search={self.search!r}, "
            f"strategy={self.strategy!r}, max_length={self.max_length})"
        )

    @classmethod
    def from_model(
        cls,
        model: "TrainedModel",
        *,
        max_length: int | None = None,
        strategy: Strategy | None = None,
        shortlist: Shortlist | None = None,
    ) -> "Translator":
        """Returns a translator over a model in memory that follows its weights.

        Args:
            model: A model with tokenizers.
            max_length: int > 0; None takes the configuration's.
            strategy: What to search for, inside the graph; None is greedy.
            shortlist: Candidates of the search; with None it chooses from all ids.
        Raises:
            ValueError: If the model has no tokenizers, or no configuration and `max_length` is
                None, or its caches are shorter than `max_length`.
        """
        from keras_seq2seq.runtimes.keras import KerasRuntime

        if model.tokenizers is None:
            raise ValueError(
                "Translating needs the tokenizers; set `model.tokenizers = TokenizerPair(...)`. "
                "Received: tokenizers=None."
            )
        if max_length is None:
            if model.config is None:
                raise ValueError(
                    "A model of custom parts needs `max_length`; pass it. "
                    "Received: max_length=None."
                )
            max_length = model.config.max_length
        model.check_max_length(max_length)
        runtime = KerasRuntime(model, max_length, shortlist)
        options: dict[str, Any] = {
            "strategy": strategy,
            "shortlist": shortlist,
            "longest_source": model.config.longest_source if model.config else None,
        }
        return cls(runtime, model.tokenizers, max_length=max_length, **options)

    def with_strategy(self, strategy: Strategy, *, search: str | None = None) -> "Translator":
        """Returns a translator over the same runtime that searches in another way.

        Args:
            strategy, search: See the class, as for the errors.
        """
        same = ("max_length", "shortlist", "longest_source", "reopen")
        options: dict[str, Any] = {name: getattr(self, name) for name in same}
        options |= {"search": search, "strategy": strategy}
        return Translator(self.runtime, self.tokenizers, **options)

    # str is an Iterable[str] too; the first overload wins.
    @overload
    def translate(  # type: ignore[overload-overlap]
        self, texts: str, *, prefixes: Prefixes = None, batch_size: int = 32
    ) -> str: ...

    @overload
    def translate(
        self, texts: Iterable[str], *, prefixes: Prefixes = None, batch_size: int = 32
    ) -> list[str]: ...

    def translate(
        self, texts: str | Iterable[str], *, prefixes: Prefixes = None, batch_size: int = 32
    ) -> str | list[str]:
        """Translates one text or several; an empty text gives an empty translation.

        Args:
            texts: One text or several.
            prefixes: What the translations begin with: one text for all, or a text or ids for
                each. The search then runs on the host. An empty text ignores its prefix.
            batch_size: int > 0. Most texts per call of the runtime, which may take fewer.
        Returns:
            str for one text, list of str in the order of the texts for several.
        Raises:
            ValueError: If `batch_size` is not positive, a prefix is invalid, or the model returns
                NaN.
        """
        if isinstance(texts, str):
            return self.translate([texts], prefixes=prefixes, batch_size=batch_size)[0]
        found = self.iterate(texts, prefixes=prefixes, batch_size=batch_size)
        return [best.text for best, *_ in found]

    def n_best(
        self, texts: Iterable[str], *, prefixes: Prefixes = None, batch_size: int = 32
    ) -> list[list[Translation]]:
        """Returns the translations of each text with their scores, the best first.

        Args:
            texts: The texts.
            prefixes: See `translate`.
            batch_size: See `translate`.
        Returns:
            For each text, in order: one translation, or at most n with
            `BeamSearch(num_hypotheses=n)`.
        Raises:
            ValueError: See `translate`.
        """
        return list(self.iterate(texts, prefixes=prefixes, batch_size=batch_size))

    def iterate(
        self,
        texts: Iterable[str],
        *,
        prefixes: Prefixes = None,
        batch_size: int = 32,
        tokens_per_batch: int = 4096,
        window: int = 2048,
        verbose: bool | None = None,
    ) -> Iterator[list[Translation]]:
        """Yields what `n_best` returns, in the order of the texts, in bounded memory.

        Args:
            texts: Any number of texts.
            prefixes: See `translate`.
            batch_size: See `translate`.
            tokens_per_batch: int > 0. Most source tokens per call, padding included; a longer text
                gets a call of its own.
            window: int > 0. Texts that are read ahead; those of similar length share a batch.
            verbose: Show a progress bar; None shows it on a terminal.
        Raises:
            ValueError: See `translate`.
        """
        _check_positive(batch_size=batch_size, tokens_per_batch=tokens_per_batch, window=window)
        if isinstance(texts, str | bytes | Mapping):
            texts = checked_texts(texts, "texts")
        pairs = paired(texts, prefixes)
        total = len(texts) if isinstance(texts, Sized) else None
        with progress(total, "texts", verbose) as advance:
            while given := list(itertools.islice(pairs, window)):
                sources = self._source_ids([text for text, _ in given])
                forced = prefix_ids([p for _, p in given], self.tokenizers.target)
                found: dict[int, list[Translation]] = {}
                lengths = list(map(len, sources))
                for members in length_batches(lengths, self._most(batch_size), tokens_per_batch):
                    ids = [sources[i] for i in members]
                    begun = None if forced is None else [forced[i] for i in members]
                    for i, hypotheses in zip(
                        members, self.search_ids(pad_batch(ids), begun), strict=True
                    ):
                        found[i] = translations(sources[i], hypotheses, self.tokenizers)
                    advance(len(members))
                yield from (found[i] for i in range(len(given)))

    def stream(self, text: str, *, prefix: str | Sequence[int] = "") -> Iterator[str]:
        """Yields a translation in parts, none of them empty, each as soon as its token is known.

        The parts joined are what `translate` gives. A caller that stops reading stops the search.
        The search runs on the host over the steps, whatever `search` says.

        Args:
            text: One text. An empty one yields nothing.
            prefix: Text or ids that the translation begins with.
        Raises:
            ValueError: If the strategy is a beam search, which may still change its first tokens;
                otherwise see `translate`.
        """
        source_ids = pad_batch(self._source_ids([text]))
        begun = prefix_ids([prefix], self.tokenizers.target)
        self._check_prefixes(begun)
        step, state = self._begin(source_ids, begun)
        found = self.strategy.stream_host(
            step, state, source_ids, max_length=self.max_length, prefixes=begun
        )
        ids: list[int] = []
        given = ""
        with naming(self._origin):
            for token in found:
                ids.append(token)
                known = self.tokenizers.target.decode(ids)
                # Bytes of a character may come one by one: it is held back until it is complete.
                if known != given and not known.endswith("\ufffd"):
                    yield known.removeprefix(given)
                    given = known
        if rest := self.tokenizers.target.decode(ids).removeprefix(given):
            yield rest

    def score(
        self, texts: Sequence[str], translations: Sequence[str], *, batch_size: int = 32
    ) -> list[Score]:
        """Computes how probable given translations are, with the steps of the runtime.

        Args:
            texts: Source texts.
            translations: One for each text.
            batch_size: int > 0. Texts per call of the runtime, which may take fewer.
        Returns:
            For each pair the log-probability of each token of the best segmentation, their sum and
            the perplexity.
        Raises:
            ValueError: If the lengths differ, `batch_size` is not positive, or the model returns
                NaN.
        """
        if len(texts) != len(translations):
            raise ValueError(
                "There must be one translation for each text. "
                f"Received: {len(texts)} texts, {len(translations)} translations."
            )
        _check_positive(batch_size=batch_size)
        sources = self._source_ids(texts)
        targets = self.tokenizers.target.encode(translations, add_eos=True)
        found: dict[int, Score] = {}
        for members in length_batches(list(map(len, sources)), self._most(batch_size)):
            state = self.runtime.encode(pad_batch([sources[i] for i in members]))
            forced = pad_batch([targets[i] for i in members])
            with naming(self._origin):
                found |= zip(members, score(self.runtime.step, state, forced), strict=True)
        return [found[i] for i in range(len(sources))]

    def search_ids(
        self, source_ids: np.ndarray, prefixes: Sequence[Sequence[int]] | None = None
    ) -> list[list[Hypothesis]]:
        """Searches for one batch of sources.

        Args:
            source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
            prefixes: Target ids that each translation begins with; the search then runs on the
                host.
        Returns:
            For each row its hypotheses, the best first.
        Raises:
            ValueError: If `source_ids` has another shape or no positions, a prefix is invalid, or
                the model returns NaN.
        """
        if np.ndim(source_ids) != 2 or source_ids.shape[1] == 0:
            raise ValueError(
                "`source_ids` must have the shape (batch, source_length), eos at the end of each "
                f"row, so at least 1 long. Received: {np.shape(source_ids)}."
            )
        if not len(source_ids):
            return []
        self._check_source_length(unpadded_length(source_ids))
        self._check_prefixes(prefixes, len(source_ids))
        # Longer sources than a file has searches for are searched over its steps, with one result.
        with naming(self._origin):
            if prefixes is None and self.search == "in_file" and self.runtime.holds(source_ids):
                return self.runtime.search(source_ids, self.strategy)
            step, state = self._begin(source_ids, prefixes)
            return self.strategy.search_host(
                step, state, source_ids, max_length=self.max_length, prefixes=prefixes
            )

    @property
    def _origin(self) -> object:
        return getattr(self.reopen, "folder", None)

    def _most(self, batch_size: int) -> int:
        return min(batch_size, self.runtime.max_batch_size or batch_size)

    def _begin(
        self, source_ids: np.ndarray, prefixes: Sequence[Sequence[int]] | None
    ) -> tuple[HostStep, Arrays]:
        """Returns the step function of the host search and the first state."""
        state = self.runtime.encode(source_ids)
        if self.shortlist is None:
            return self.runtime.step, state
        allowed = self.shortlist.mask(source_ids)
        for row, ids in enumerate(prefixes or ()):
            allowed[row, list(ids)] = True
        return shortlist_step(self.runtime.step), {**state, ALLOWED: allowed}

    def _source_ids(self, texts: Sequence[str]) -> list[list[int]]:
        found = self.tokenizers.source.encode(texts, add_eos=True)
        self._check_source_length(max(map(len, found), default=0))
        return found

    def _check_source_length(self, length: int) -> None:
        if self.longest_source is not None and length > self.longest_source:
            raise ValueError(
                f"A source must have at most {self.longest_source} tokens, end of sentence "
                f"included: the model has learned no further positions. Received: {length}; split "
                'the text, or train a model with a larger max_length or positions="sinusoidal".'
            )

    def _check_prefixes(self, prefixes: Sequence[Sequence[int]] | None, rows: int = 1) -> None:
        if prefixes is not None:
            size = self.tokenizers.target.vocabulary_size
            check_prefixes(prefixes, rows, size, self.max_length)


def _opened_again(reopen: Callable[[], Translator], kept: Mapping[str, Any]) -> Translator:
    """Returns what was pickled."""
    translator = reopen()
    vars(translator).update(kept)
    return translator


def _check_positive(**numbers: int) -> None:
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {number}.")
