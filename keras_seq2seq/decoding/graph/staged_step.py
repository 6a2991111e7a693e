"""A decoder step whose fixed inputs begin short and grow between the loops of a search."""

from collections.abc import Callable, Mapping

import keras

from keras_seq2seq.models.tensor import Shape, Tensor, Tensors

ops = keras.ops
# Takes the decoder, ids and the state; returns log-probabilities and the new state.
Take = Callable[[keras.Model, Tensor, Tensors], tuple[Tensor, Tensors]]
# What a search keeps for each token of the source, along the last axis.
OVER_SOURCE = ("attention", "coverage", "history")


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

    def fitted(self, tensors: Tensors, length: int) -> Tensors:
        """Returns tensors as the decoder over caches for `length` tokens takes them.

        They are cut, or zeros are added. If its sources have a fixed length, what the search keeps
        for each token of the source gets it too.
        """
        inputs = self._models[length].input
        # The target_ids of a search are those that it has found.
        names = set(tensors) & set(inputs) - {"target_ids"}
        shapes = {name: inputs[name].shape for name in names}
        if "source_mask" in inputs:
            width = inputs["source_mask"].shape[-1]
            kept = [name for name in OVER_SOURCE if name in tensors]
            shapes |= {n: (*[None] * (len(tensors[n].shape) - 1), width) for n in kept}
        return {
            name: _resized(tensor, shapes[name]) if name in shapes else tensor
            for name, tensor in tensors.items()
        }


def _fits(tensor: Tensor, shape: Shape) -> bool:
    return all(wanted in (None, size) for wanted, size in zip(shape, tensor.shape, strict=True))


def _resized(tensor: Tensor, shape: Shape) -> Tensor:
    sizes = list(zip(shape, tensor.shape, strict=True))
    if _fits(tensor, shape):
        return tensor
    kept = tuple(slice(None) if wanted is None else slice(wanted) for wanted, _ in sizes)
    more = [(0, 0) if wanted is None else (0, max(0, wanted - size)) for wanted, size in sizes]
    if keras.backend.standardize_dtype(tensor.dtype) == "bool":
        # TensorFlow Lite 2.17, which iOS has, pads no bool.
        return ops.cast(ops.pad(ops.cast(tensor[kept], "int32"), more), "bool")
    return ops.pad(tensor[kept], more)
