"""Text in, text out, over any runtime."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np

from keras_seq2seq.config import EOS_ID
from keras_seq2seq.decoding.host import Hypothesis, greedy_search, greedy_stream, is_empty_source
from keras_seq2seq.decoding.host_beam import beam_search
from keras_seq2seq.decoding.scoring import Score, score
from keras_seq2seq.decoding.strategy import GREEDY, BeamSearch, Strategy
from keras_seq2seq.runtimes.runtime import Runtime
from keras_seq2seq.tokenizer import TokenizerPair, pad_batch

if TYPE_CHECKING:
    from keras_seq2seq.models.seq2seq import Seq2Seq

SEARCHES = ("in_file", "host")


class Translator:
    """Translates texts by search over any runtime.

    Args:
        runtime: What runs the model.
        tokenizers: Text to ids and back.
        max_length: int > 0. Longest translation of the host search in tokens, end of sentence
            included; a longer one is cut there. The search inside a file has its own.
        search: "in_file" (the search inside the artefact) or "host" (NumPy over its steps);
            None takes "in_file" where that has the strategy.
        strategy: `Greedy()`, the default, or `BeamSearch(...)`.
    Raises:
        ValueError: If `search` is unknown, `max_length` is not positive, or no search inside the
            artefact has the strategy.
    """

    def __init__(
        self,
        runtime: Runtime,
        tokenizers: TokenizerPair,
        *,
        max_length: int,
        search: str | None = None,
        strategy: Strategy | None = None,
    ) -> None:
        self.strategy = strategy or GREEDY
        inside = [GREEDY, *([runtime.beam] if runtime.beam else [])]
        if search is None:
            search = "in_file" if self.strategy in inside else "host"
        if search not in SEARCHES:
            raise ValueError(f"`search` must be one of {SEARCHES}. Received: {search!r}.")
        if max_length < 1:
            raise ValueError(f"`max_length` must be at least 1. Received: {max_length}.")
        if search == "in_file" and self.strategy not in inside:
            raise ValueError(
                f"A search inside this {runtime.name} artefact must be one of {inside}. "
                f"Received: {strategy}; pass search='host' for it."
            )
        self.runtime = runtime
        self.tokenizers = tokenizers
        self.max_length = max_length
        self.search = search

    @classmethod
    def from_model(
        cls,
        model: "Seq2Seq",
        *,
        max_length: int | None = None,
        strategy: Strategy | None = None,
    ) -> "Translator":
        """Returns a translator over a model in memory that follows its weights.

        Args:
            model: A model with tokenizers.
            max_length: int > 0; None takes the configuration's.
            strategy: What to search for, inside the graph; None is greedy.
        Raises:
            ValueError: If the model has no tokenizers, or no configuration and `max_length` is
                None.
        """
        from keras_seq2seq.runtimes.keras_model import KerasRuntime

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
        beam = strategy if isinstance(strategy, BeamSearch) else None
        runtime = KerasRuntime(model, max_length, beam)
        return cls(runtime, model.tokenizers, max_length=max_length, strategy=strategy)

    # str is an Iterable[str] too; the first overload goes before.
    @overload
    def translate(self, texts: str, *, batch_size: int = 32) -> str: ...  # type: ignore[overload-overlap]

    @overload
    def translate(self, texts: Iterable[str], *, batch_size: int = 32) -> list[str]: ...

    def translate(self, texts: str | Iterable[str], *, batch_size: int = 32) -> str | list[str]:
        """Translates one text or several; an empty text gives an empty translation.

        Args:
            texts: One text or several.
            batch_size: int > 0. Texts of one call of the runtime, which may take fewer.
        Returns:
            str for one text, list of str in the order of the texts for several.
        Raises:
            ValueError: If `batch_size` is not positive.
        """
        if isinstance(texts, str):
            return self.translate([texts], batch_size=batch_size)[0]
        found = self.hypotheses(list(texts), batch_size=batch_size)
        return [self.tokenizers.target.decode(list(hypothesis.ids)) for hypothesis in found]

    def hypotheses(self, texts: Sequence[str], *, batch_size: int = 32) -> list[Hypothesis]:
        """Returns ids, score and, from the host search, attention of each translation."""
        return [found[0] for found in self.n_best(texts, batch_size=batch_size)]

    def n_best(self, texts: Sequence[str], *, batch_size: int = 32) -> list[list[Hypothesis]]:
        """Returns the hypotheses of each text, the best first.

        Texts of like length share a batch; the result is in the order of `texts`. A greedy
        search has one hypothesis a text, `BeamSearch(num_hypotheses=n)` at most n.
        """
        sources = [[*ids, EOS_ID] for ids in self.tokenizers.source.encode(list(texts))]
        found: dict[int, list[Hypothesis]] = {}
        for members in self._batches(sources, batch_size):
            batch = pad_batch([sources[i] for i in members])
            found |= zip(members, self.search_ids(batch), strict=True)
        return [found[i] for i in range(len(sources))]

    def stream(self, text: str) -> Iterator[str]:
        """Yields a translation in parts, none of them empty, each as soon as its token is known.

        The parts joined are what `translate` gives. A caller that stops reading stops the
        search. Runs on the host over the steps, whatever `search` says.

        Args:
            text: One text. An empty one yields nothing.
        Raises:
            ValueError: If the strategy is not greedy: a beam may still change its first words.
        """
        if self.strategy != GREEDY:
            raise ValueError(f"Streaming needs strategy=Greedy(). Received: {self.strategy}.")
        source_ids = pad_batch([[*self.tokenizers.source.encode(text), EOS_ID]])
        state, is_empty = self.runtime.encode(source_ids), is_empty_source(source_ids)
        ids: list[int] = []
        given = ""
        for token in greedy_stream(self.runtime.step, state, is_empty, max_length=self.max_length):
            ids.append(token)
            known = self.tokenizers.target.decode(ids)
            # The bytes of a character may come one by one: it is held back until it is whole.
            if known != given and not known.endswith("\ufffd"):
                yield known.removeprefix(given)
                given = known
        if rest := self.tokenizers.target.decode(ids).removeprefix(given):
            yield rest

    def score(
        self, texts: Sequence[str], translations: Sequence[str], *, batch_size: int = 32
    ) -> list[Score]:
        """Says how probable given translations are, by the steps of the runtime.

        Args:
            texts: Source texts.
            translations: One for each text.
            batch_size: int > 0. Texts of one call of the runtime, which may take fewer.
        Returns:
            For each pair the log-probability of each token of the best segmentation, and of it
            their sum and the perplexity.
        Raises:
            ValueError: If the lengths differ or `batch_size` is not positive.
        """
        if len(texts) != len(translations):
            raise ValueError(
                "There must be one translation for each text. "
                f"Received: {len(texts)} texts, {len(translations)} translations."
            )
        sources = [[*ids, EOS_ID] for ids in self.tokenizers.source.encode(list(texts))]
        targets = [[*ids, EOS_ID] for ids in self.tokenizers.target.encode(list(translations))]
        found: dict[int, Score] = {}
        for members in self._batches(sources, batch_size):
            state = self.runtime.encode(pad_batch([sources[i] for i in members]))
            forced = pad_batch([targets[i] for i in members])
            found |= zip(members, score(self.runtime.step, state, forced), strict=True)
        return [found[i] for i in range(len(sources))]

    def _batches(self, sources: list[list[int]], batch_size: int) -> Iterator[list[int]]:
        """Yields the indices of the sources of each batch; those of like length are together."""
        if batch_size < 1:
            raise ValueError(f"`batch_size` must be at least 1. Received: {batch_size}.")
        order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
        rows = min(batch_size, self.runtime.max_batch_size or batch_size)
        for start in range(0, len(order), rows):
            yield order[start : start + rows]

    def search_ids(self, source_ids: np.ndarray) -> list[list[Hypothesis]]:
        """Searches for one batch of sources.

        Args:
            source_ids: int32, shape (batch, source_length), ended by eos, padded with 0.
        Returns:
            For each row its hypotheses, the best first.
        Raises:
            ValueError: If `source_ids` has another shape, or no position at all.
        """
        if np.ndim(source_ids) != 2 or source_ids.shape[1] == 0:
            raise ValueError(
                "`source_ids` must have the shape (batch, source_length), eos at the end of each "
                f"row, so at least 1 long. Received: {np.shape(source_ids)}."
            )
        if self.search == "host":
            return self._search_on_host(source_ids)
        if isinstance(self.strategy, BeamSearch):
            return self.runtime.translate_beam(source_ids)
        return [[hypothesis] for hypothesis in self.runtime.translate(source_ids)]

    def _search_on_host(self, source_ids: np.ndarray) -> list[list[Hypothesis]]:
        state, is_empty = self.runtime.encode(source_ids), is_empty_source(source_ids)
        step, max_length = self.runtime.step, self.max_length
        if isinstance(self.strategy, BeamSearch):
            return beam_search(step, state, is_empty, self.strategy, max_length=max_length)
        found = greedy_search(step, state, is_empty, max_length=max_length)
        return [[hypothesis] for hypothesis in found]
