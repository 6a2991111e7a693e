"""The decoder for one token and a state, over the layers and weights of the whole decoder."""

import keras

from keras_seq2seq.models.activations import Gelu, GeluExact, Swish, SwishGate
from keras_seq2seq.models.decoder_cells import Attentional
from keras_seq2seq.models.logits_bias import LogitsBias
from keras_seq2seq.models.multi_head_attention import CachedSelfAttention
from keras_seq2seq.models.precision import dtype_policy
from keras_seq2seq.models.tensor import Shape, Tensor
from keras_seq2seq.models.two_forms import OneToken, TwoForms

# Layers that compute each position alone, with or without a length axis.
POSITION_WISE = (
    keras.layers.Add,
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.Embedding,
    keras.layers.InputLayer,
    keras.layers.LayerNormalization,
    keras.layers.ReLU,
    keras.layers.ReversibleEmbedding,
    Attentional,
    Gelu,
    GeluExact,
    LogitsBias,
    Swish,
    SwishGate,
)


def build_decoder_step(decoder: keras.Model) -> keras.Model:
    """Returns the decoder for one token: the same layers and weights, no length axis.

    A decoder whose layers have two forms, or compute each position alone, is rebuilt from these
    layers. Any other decoder, such as one with custom layers, only reads whole targets: it gets
    targets of length one, which gives the same numbers with more operations.

    Args:
        decoder: What `build_decoder` returned, or a decoder that keeps its contract.
    Returns:
        A functional model. Inputs by name: `target_ids`, int32, shape (batch,), and the other
        inputs of the decoder. Outputs by name: `logits`, float, (batch, target_vocabulary_size);
        `state_i`; with attention `attention`, float, (batch, source_length).
    """
    # Not under the policy of the process, which may be another one by now.
    with dtype_policy(decoder.dtype_policy):
        return _stepping(decoder)


def _stepping(decoder: keras.Model) -> keras.Model:
    inputs = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in decoder.input.items()
    }
    inputs["target_ids"] = keras.Input((), dtype="int32", name="target_ids")
    if all(isinstance(la, TwoForms) or type(la) in POSITION_WISE for la in decoder.layers):
        return keras.models.clone_model(decoder, input_tensors=inputs, clone_function=_one_token)
    stepped = keras.models.clone_model(decoder, clone_function=_of_length_one)
    outputs = dict(stepped({**inputs, "target_ids": AddLength()(inputs["target_ids"])}))
    outputs["logits"] = DropLength(name="logits")(outputs["logits"])
    if "attention" in outputs:
        given = [inputs[name] for name in ("source_mask",) if name in inputs]
        outputs["attention"] = DropLength(name="attention")(outputs["attention"], *given)
    return keras.Model(inputs, outputs, name=decoder.name)


class AddLength(keras.layers.Layer):
    """Adds a length axis to ids: (batch,) becomes (batch, 1)."""

    def call(self, ids: Tensor) -> Tensor:
        return ids[:, None]

    def compute_output_shape(self, ids_shape: Shape) -> Shape:
        return (*ids_shape, 1)


class DropLength(keras.layers.Layer):
    """Removes the length axis, whose size is one.

    Call arguments:
        values: any dtype, shape (batch, 1, size).
        like: bool, shape (batch, size), or None. The result gets its shape: a custom layer may have
            lost the static shape, and a loop needs one that stays the same.
    Returns:
        Shape (batch, size).
    """

    def call(self, values: Tensor, like: Tensor | None = None) -> Tensor:
        values = values[:, 0]
        return values if like is None else keras.ops.reshape(values, keras.ops.shape(like))

    def compute_output_shape(self, values_shape: Shape, like_shape: Shape | None = None) -> Shape:
        return like_shape or (values_shape[0], *values_shape[2:])


class LengthOneSelfAttention(keras.layers.Layer):
    """Steps a self-attention inside a decoder that keeps its length axis, of size one.

    Over a whole target the layer reads only that target; here it reads its cache.

    Args:
        layer: The layer, built; its weights are shared.
    Call arguments:
        inputs: float, shape (batch, 1, size).
        keys, values, position: See `CachedSelfAttention`.
    Returns:
        What `CachedSelfAttention` returns.
    """

    def __init__(self, layer: CachedSelfAttention) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.built = True

    def call(
        self, inputs: Tensor, keys: Tensor, values: Tensor, position: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        outputs, keys, values = self.layer.step(inputs[:, 0], keys, values, position)
        return outputs[:, None], keys, values

    def compute_output_shape(
        self, inputs_shape: Shape, keys_shape: Shape, values_shape: Shape, position_shape: Shape
    ) -> tuple[Shape, Shape, Shape]:
        return inputs_shape, keys_shape, values_shape


def _one_token(layer: keras.layers.Layer) -> keras.layers.Layer:
    return OneToken(layer) if isinstance(layer, TwoForms) else layer


def _of_length_one(layer: keras.layers.Layer) -> keras.layers.Layer:
    return LengthOneSelfAttention(layer) if isinstance(layer, CachedSelfAttention) else layer
