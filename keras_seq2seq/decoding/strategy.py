"""The interface of every search strategy, and the rules that all strategies take."""

import abc
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from keras_seq2seq.decoding.hypothesis import Arrays, Hypothesis
from keras_seq2seq.models.tensor import Tensor, Tensors
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

# One step of the decoder in NumPy: ids, int32, (rows,), and arrays by name give log_probs, float32,
# (rows, vocabulary_size), and the new arrays.
HostStep = Callable[[np.ndarray, Arrays], tuple[np.ndarray, Arrays]]
# The same in keras.ops, over tensors.
GraphStep = Callable[[Tensor, Tensors], tuple[Tensor, Tensors]]
Prefixes = Sequence[Sequence[int]] | None


def option(default: Any, kind: type, help_text: str) -> Any:
    """Returns a field of a strategy, with the type and help text of its command-line option."""
    return dataclasses.field(default=default, metadata={"kind": kind, "help": help_text})


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Strategy(abc.ABC):
    """A search strategy; subclass it to add yours to `Greedy`, `BeamSearch` and `Sampling`.

    A strategy implements its search twice: `search_host` runs in NumPy over the steps of any
    runtime, `search_graph` in keras.ops inside a graph.

    Args:
        min_length: int >= 0. Minimum number of tokens before eos.
        max_length_factor: float > 0. Longest translation as a multiple of the source's tokens, eos
            included in both, rounded up; `max_length` still applies. With None only `max_length`
            does.
        suppress: Ids that are never chosen, besides pad and bos.
        repetition_penalty: float > 0. Multiplies the log-probability of each token that the
            translation already has, before it is compared; 1 changes nothing, 1.2 is usual.
        no_repeat_ngram_size: int >= 0. No sequence of this many tokens occurs twice; 0 is off.
    Raises:
        ValueError: If values are invalid; lists every error, one per line.
    Reference:
        Keskar et al. 2019, section 4.1 (repetition penalty); Paulus et al. 2018, section 2.5
        (n-grams).
    """

    min_length: int = option(0, int, "fewest tokens before the end of sentence")
    max_length_factor: float | None = option(
        None, float, "longest translation, as a multiple of the source's length"
    )
    suppress: tuple[int, ...] = ()
    repetition_penalty: float = option(1.0, float, "above 1 avoids tokens that were used before")
    no_repeat_ngram_size: int = option(
        0, int, "length of the token sequences that may occur only once; 0: off"
    )

    def __post_init__(self) -> None:
        if errors := [*self._own_errors(), *self._common_errors()]:
            raise ValueError(f"{type(self).__name__}:\n- " + "\n- ".join(errors))

    def __repr__(self) -> str:
        """Shows the arguments that differ from the defaults."""
        fields = [(field, getattr(self, field.name)) for field in dataclasses.fields(self)]
        given = [f"{f.name}={value!r}" for f, value in fields if value != f.default]
        return f"{type(self).__name__}({', '.join(given)})"

    @abc.abstractmethod
    def search_host(
        self,
        step: HostStep,
        state: Arrays,
        source_ids: np.ndarray,
        *,
        max_length: int,
        prefixes: Prefixes = None,
    ) -> list[list[Hypothesis]]:
        """Searches in NumPy.

        Args:
            step: One step of the decoder; its arrays hold `attention`, (rows, memory_length),
                where the model attends.
            state: Arrays by name, shape (batch, ...), after the source was read.
            source_ids: int32, shape (batch, source_length). A source without a real token gives an
                empty translation.
            max_length: int > 0. Most tokens of a translation, eos included.
            prefixes: Ids that each translation begins with, as `check_prefixes` accepts them, or
                None.
        Returns:
            For each row its hypotheses, the best first.
        Raises:
            ValueError: If the model returns NaN; names the step.
        """

    @abc.abstractmethod
    def search_graph(
        self,
        step: GraphStep,
        state: Tensors,
        source_ids: Tensor,
        *,
        max_length: int,
        source: Tensors,
        vocabulary_size: int | None = None,
        dynamic: bool = False,
        **inputs: Any,
    ) -> Tensors:
        """Searches in keras.ops, in a graph of any backend.

        Args:
            step: One step of the decoder, over `source` and `state` by name.
            state: Tensors by name, shape (batch, ...), after the source was read; `attention`,
                float32, (batch, memory_length), zeros, if the step gives attention.
            source_ids: int32, shape (batch, source_length).
            max_length: int > 0. Most tokens of a translation, eos included.
            source: Tensors by name, shape (batch, ...), that a step reads and never changes; with
                `candidates`, int32, (batch, columns), the log-probabilities are of these ids.
            vocabulary_size: int > 0. Number of target ids; None takes the number of columns.
            dynamic: See `run_search`.
            **inputs: What `graph_inputs` returned, as tensors.
        Returns:
            Arrays for `cut` or `cut_single`, by name.
        """

    def stream_host(
        self,
        step: HostStep,
        state: Arrays,
        source_ids: np.ndarray,
        *,
        max_length: int,
        prefixes: Prefixes = None,
    ) -> Iterator[int]:
        """Yields the ids of one translation, each as soon as it is known.

        Raises:
            ValueError: If the strategy cannot stream, as it may still change its first tokens.
        """
        raise ValueError(f"Streaming needs Greedy() or Sampling(...). Received: {self}.")

    def graph_inputs(self, source_ids: np.ndarray, max_length: int) -> Arrays:
        """Returns the extra inputs of `search_graph` for a batch, shape (batch, ...), by name."""
        return {}

    @property
    def graph_key(self) -> "Strategy":
        """The strategy without the values in `graph_inputs`; equal keys share a graph."""
        return self

    @property
    def needs_attention(self) -> bool:
        """True if the search reads the attention of the model."""
        return False

    def check_attention(self, attends: bool) -> None:
        """Checks that the model attends if the search needs it.

        Raises:
            ValueError: If the strategy needs attention and the model does not attend.
        """
        if self.needs_attention and not attends:
            raise ValueError(
                f"A coverage penalty needs a model that attends. Received: {self} for one that "
                "does not."
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return {name: _plain(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Reads what `to_dict` wrote, now or in an earlier release; missing keys have defaults.

        Raises:
            ValueError: If a key is unknown, as in a file of a later release, or a value is wrong.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(
                f"{cls.__name__} has the options {sorted(known)}. Received: {unknown}; update "
                "keras_seq2seq to read files of a later release."
            )
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls(**given)  # type: ignore[arg-type]

    def forbidden(self, vocabulary_size: int) -> list[int]:
        """Returns the ids that are never chosen.

        Raises:
            ValueError: If `suppress` holds an id outside the vocabulary.
        """
        if foreign := [i for i in self.suppress if not 0 <= i < vocabulary_size]:
            raise ValueError(
                f"`suppress` must hold ids from 0 to {vocabulary_size - 1}. Received: {foreign}."
            )
        return sorted({PAD_ID, BOS_ID, *self.suppress})

    @property
    def adjusts(self) -> bool:
        """True if the tokens chosen so far change the scores of the next ones."""
        return self.repetition_penalty != 1 or self.no_repeat_ngram_size > 0

    @property
    def rescores(self) -> bool:
        """True if tokens are compared by something else than their log-probabilities."""
        return self.repetition_penalty != 1

    @property
    def leaves_a_token(self) -> bool:
        """True if no rule can forbid every token."""
        return not (self.adjusts or self.min_length or self.suppress)

    def _own_errors(self) -> list[str]:
        """Returns the errors in the arguments that the class itself adds."""
        return []

    def _common_errors(self) -> list[str]:
        errors = []
        if self.min_length < 0:
            errors.append(f"`min_length` must be at least 0. Received: {self.min_length}.")
        factor = self.max_length_factor
        if factor is not None and not (math.isfinite(factor) and factor > 0):
            errors.append(
                f"`max_length_factor` must be finite and above 0, or None. Received: {factor}."
            )
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            errors.append(
                "`repetition_penalty` must be finite and above 0. "
                f"Received: {self.repetition_penalty}."
            )
        if self.no_repeat_ngram_size < 0:
            errors.append(
                f"`no_repeat_ngram_size` must be at least 0. Received: {self.no_repeat_ngram_size}."
            )
        return errors


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
