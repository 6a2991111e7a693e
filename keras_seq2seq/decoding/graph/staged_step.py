"""A decoder step whose fixed caches begin short and grow between the loops of a search."""

from collections.abc import Callable, Mapping

import keras

from keras_seq2seq.models.tensor import Shape, Tensor, Tensors

ops = keras.ops
# Takes the decoder, ids and the state; returns log-probabilities and the new state.
Take = Callable[[keras.Model, Tensor, Tensors], tuple[Tensor, Tensors]]


class StagedStep:
    """Takes one token with the decoder whose caches have the lengths of the state.

    Args:
        models: Decoders for one token by how many tokens their caches hold.
        take: Takes a step with one of them.
    """

    def __init__(self, models: Mapping[int, keras.Model], take: Take) -> None:
        self._models = dict(sorted(models.items()))
        self._take = take

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many tokens the caches hold in each stage, rising."""
        return tuple(self._models)

    def __call__(self, ids: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        for model in self._models.values():
            pairs = ((state[name], model.input[name]) for name in state if name in model.input)
            if len(self._models) == 1 or all(_fits(given, put.shape) for given, put in pairs):
                return self._take(model, ids, state)
        shapes = {name: tensor.shape for name, tensor in state.items()}
        raise ValueError(f"No decoder has caches of these lengths. Received: {shapes}.")

    def fitted(self, state: Tensors, length: int) -> Tensors:
        """Returns a state with caches for `length` tokens, cut or with zeros added."""
        inputs = self._models[length].input
        return {
            name: _resized(tensor, inputs[name].shape) if name in inputs else tensor
            for name, tensor in state.items()
        }


def _fits(tensor: Tensor, shape: Shape) -> bool:
    return all(wanted in (None, size) for wanted, size in zip(shape, tensor.shape, strict=True))


def _resized(tensor: Tensor, shape: Shape) -> Tensor:
    sizes = list(zip(shape, tensor.shape, strict=True))
    if _fits(tensor, shape):
        return tensor
    kept = tuple(slice(None) if wanted is None else slice(wanted) for wanted, _ in sizes)
    more = [(0, 0) if wanted is None else (0, max(0, wanted - size)) for wanted, size in sizes]
    return ops.pad(tensor[kept], more)
