"""The loop of a search in keras.ops; rows that have ended may leave the batch."""

from collections.abc import Callable

import keras

from keras_seq2seq.decoding.graph.staged_step import StagedStep
from keras_seq2seq.decoding.strategy import GraphStep
from keras_seq2seq.models.tensor import Tensor, Tensors

ops = keras.ops
# Takes the step number, int32 scalar, `search` and `state`; returns the new `search` and `state`.
Advance = Callable[[Tensor, Tensors, Tensors], tuple[Tensors, Tensors]]
Begin = Callable[[Tensors, Tensors], Advance]


def run_search(
    begin: Begin,
    step: GraphStep,
    search: Tensors,
    state: Tensors,
    source: Tensors,
    *,
    dynamic: bool = False,
    width: Tensor | int = 1,
) -> Tensors:
    """Takes steps until every row has ended.

    Args:
        begin: Takes `search` and `source`; returns the function that takes one step of these rows.
        step: The decoder step that it takes; a `StagedStep` gets a loop for each length of its
            caches, unless the loop is dynamic.
        search: Results of the rows so far: tensors (rows, ...), among them `going`, bool, (rows,)
            or (rows, 1).
        state: What a decoder step changes: tensors (rows * width, ...).
        source: What a decoder step reads and never changes: tensors (rows * width, ...).
        dynamic: Drop ended rows from the batch, each time a quarter of its rows have ended; for
            backends and formats whose shapes may change in a loop.
        width: int or int32 scalar > 0. Hypotheses per row.
    Returns:
        `search` of all rows, each as it ended.
    """

    first = ops.convert_to_tensor(0, "int32")
    if not dynamic:
        return _in_fixed_shapes(begin, step, first, search, state, source)

    def one_goes_on(
        i: Tensor, rows: Tensor, found: Tensors, search: Tensors, *others: Tensors
    ) -> Tensor:
        return ops.any(search["going"])

    def until_some_end(
        i: Tensor, rows: Tensor, found: Tensors, search: Tensors, state: Tensors, source: Tensors
    ) -> tuple[Tensor, Tensor, Tensors, Tensors, Tensors, Tensors]:
        few = 0.75 * ops.cast(ops.shape(rows)[0], "float32")

        def most_go_on(i: Tensor, search: Tensors, state: Tensors) -> Tensor:
            return ops.sum(ops.cast(search["going"], "float32")) > few

        begun = _counting(begin(search, source))
        i, search, state = ops.while_loop(most_go_on, begun, (i, search, state))
        places = rows[:, None]
        found = {k: ops.scatter_update(found[k], places, value) for k, value in search.items()}
        going = ops.cast(ops.nonzero(search["going"])[0], "int32")
        hypotheses = going
        if not isinstance(width, int) or width > 1:
            beams = ops.arange(width, dtype="int32")[None, :]
            hypotheses = ops.reshape(going[:, None] * width + beams, (-1,))
        return (
            i,
            ops.take(rows, going, axis=0),
            found,
            {name: ops.take(value, going, axis=0) for name, value in search.items()},
            {name: ops.take(value, hypotheses, axis=0) for name, value in state.items()},
            {name: ops.take(value, hypotheses, axis=0) for name, value in source.items()},
        )

    rows = ops.arange(ops.shape(search["going"])[0], dtype="int32")
    start = (first, rows, search, search, state, source)
    return ops.while_loop(one_goes_on, until_some_end, start)[2]


def _in_fixed_shapes(
    begin: Begin, step: GraphStep, i: Tensor, search: Tensors, state: Tensors, source: Tensors
) -> Tensors:
    """Takes all steps of all rows, in one loop for each length of the caches."""

    def run(until: int | None = None) -> tuple[Tensor, Tensors, Tensors]:
        begun = _counting(begin(search, source))
        return ops.while_loop(_going(until), begun, (i, search, state))

    if isinstance(step, StagedStep):
        *firsts, last = step.lengths
        for length in firsts:
            state = step.fitted(state, length)
            i, search, state = run(length)
        search, state, source = (step.fitted(given, last) for given in (search, state, source))
    return run()[1]


def _counting(
    advance: Advance,
) -> Callable[[Tensor, Tensors, Tensors], tuple[Tensor, Tensors, Tensors]]:
    return lambda i, search, state: (i + 1, *advance(i, search, state))


def _going(until: int | None) -> Callable[[Tensor, Tensors, Tensors], Tensor]:
    """Returns the condition of a loop that ends with its rows, or before a step."""

    def condition(i: Tensor, search: Tensors, state: Tensors) -> Tensor:
        going = ops.any(search["going"])
        return going if until is None else ops.logical_and(going, i < until)

    return condition
