"""The output layer of a search over a shortlist's candidates instead of the vocabulary."""

from typing import Any

import keras

from keras_seq2seq.decoding.graph.exact_lookup import exact_lookup
from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.models.logits_bias import LogitsBias
from keras_seq2seq.models.masks import mask_scores
from keras_seq2seq.models.tensor import Tensor

ops = keras.ops


def with_shortlist(
    encoder: keras.Model, decoder: keras.Model, shortlist: Shortlist
) -> tuple[keras.Model, keras.Model]:
    """Returns models of a search whose output layer has only the candidates of each source.

    The columns are read once per source, with everything else that depends only on it.

    Args:
        encoder: The encoder of a search.
        decoder: The decoder for one token that belongs to it.
        shortlist: A shortlist for its vocabularies.
    Returns:
        encoder: With the outputs `candidates`, int32, (batch, columns), ascending;
            `candidate_mask`, bool, (batch, columns), False where an id repeats;
            `candidate_kernel`, float, (batch, size, columns), and `candidate_bias`, float,
            (batch, columns), if there is one.
        decoder: Takes these outputs except `candidates`; its `logits` are (batch, columns).
    Raises:
        ValueError: If the output layer is neither a Dense nor an embedding of the decoder.
    """
    source_ids = encoder.inputs[0]
    given = dict(encoder.output)
    given["candidates"], given["candidate_mask"] = Candidates(shortlist)(source_ids)
    layer, bias = _output_layers(decoder)
    if isinstance(layer, keras.layers.Dense):
        columns = dict(zip(("kernel", "bias"), Columns(layer)(given["candidates"]), strict=False))
    else:
        columns = {"kernel": Turned()(layer(given["candidates"]))}
        if bias is not None:
            columns["bias"] = BiasColumns(bias)(given["candidates"])
    given |= {f"candidate_{name}": value for name, value in columns.items()}
    without = keras.models.clone_model(
        decoder, clone_function=lambda one: _alone(one) if one in (layer, bias) else one
    )
    inputs = dict(without.input)
    for name in ("candidate_mask", *(f"candidate_{name}" for name in columns)):
        inputs[name] = keras.Input(given[name].shape[1:], dtype=given[name].dtype, name=name)
    outputs = dict(without.output)
    outputs["logits"] = CandidateLogits()(
        outputs["logits"],
        inputs["candidate_kernel"],
        inputs["candidate_mask"],
        inputs.get("candidate_bias"),
    )
    name = decoder.name
    return keras.Model(source_ids, given, name=encoder.name), keras.Model(
        inputs, outputs, name=name
    )


class Candidates(keras.layers.Layer):
    """Looks up the candidate target ids of each source.

    Args:
        shortlist: A shortlist for the source ids.
    Call arguments:
        source_ids: int32, shape (batch, source_length), padded with 0.
    Returns:
        candidates: int32, shape (batch, columns), ascending; the number of columns depends only on
            the source's length.
        mask: bool, shape (batch, columns). False at padding and where an id repeats.
    """

    def __init__(self, shortlist: Shortlist) -> None:
        super().__init__(name="candidates")
        self.always = shortlist.always
        self.table = shortlist.candidates

    def call(self, source_ids: Tensor) -> tuple[Tensor, Tensor]:
        batch, length = ops.shape(source_ids)
        number = self.table.shape[1]
        found = ops.take(ops.convert_to_tensor(self.table), source_ids, axis=0)
        found = ops.reshape(found, (batch, length * number))
        nothing = ops.zeros_like(found[:, :1])
        both = ops.concatenate([found, nothing + ops.convert_to_tensor(self.always)], axis=1)
        # Ascending, so that ties between log-probabilities still go to the smallest id.
        falling, _ = ops.top_k(-both, length * number + len(self.always))
        rising = -falling
        before = ops.concatenate([nothing, rising[:, :-1]], axis=1)
        return rising, ops.not_equal(rising, before)

    def compute_output_spec(self, source_ids: Tensor) -> Any:
        batch, length = source_ids.shape
        count = None if length is None else length * self.table.shape[1] + len(self.always)
        return keras.KerasTensor((batch, count), "int32"), keras.KerasTensor((batch, count), "bool")


class Columns(keras.layers.Layer):
    """Reads columns of a dense output layer.

    Args:
        layer: keras.layers.Dense without activation, built.
    Call arguments:
        candidates: int32, shape (batch, columns).
    Returns:
        kernel: float, shape (batch, size, columns).
        bias: float, shape (batch, columns), if the layer has one.
    """

    def __init__(self, layer: keras.layers.Dense) -> None:
        super().__init__(name="candidate_columns", dtype=layer.dtype_policy)
        self.layer = layer

    def call(self, candidates: Tensor) -> tuple[Any, ...]:
        rows = ops.take(ops.transpose(self.layer.kernel), candidates, axis=0)
        kernel = ops.cast(ops.transpose(rows, (0, 2, 1)), self.compute_dtype)
        if self.layer.bias is None:
            return (kernel,)
        return kernel, ops.cast(exact_lookup(self.layer.bias, candidates), self.compute_dtype)

    def compute_output_spec(self, candidates: Tensor) -> Any:
        batch, count = candidates.shape
        size = self.layer.kernel.shape[0]
        kernel = keras.KerasTensor((batch, size, count), self.compute_dtype)
        if self.layer.bias is None:
            return (kernel,)
        return kernel, keras.KerasTensor((batch, count), self.compute_dtype)


class BiasColumns(keras.layers.Layer):
    """Reads columns of the bias of a tied output.

    Args:
        layer: The layer of the bias, built.
    Call arguments:
        candidates: int32, shape (batch, columns).
    Returns:
        float, shape (batch, columns).
    """

    def __init__(self, layer: LogitsBias) -> None:
        super().__init__(name="candidate_bias_columns", dtype=layer.dtype_policy)
        self.layer = layer

    def call(self, candidates: Tensor) -> Tensor:
        return ops.cast(exact_lookup(self.layer.bias, candidates), self.compute_dtype)

    def compute_output_spec(self, candidates: Tensor) -> Any:
        return keras.KerasTensor(candidates.shape, self.compute_dtype)


class Turned(keras.layers.Layer):
    """Transposes embedding rows (batch, columns, size) to a kernel (batch, size, columns)."""

    def __init__(self) -> None:
        super().__init__(name="candidate_kernel")

    def call(self, rows: Tensor) -> Tensor:
        return ops.transpose(rows, (0, 2, 1))


class CandidateLogits(keras.layers.Layer):
    """Multiplies a decoder's last outputs by the columns of the candidates.

    Call arguments:
        inputs: float, shape (batch, size).
        kernel: float, shape (batch, size, columns).
        mask: bool, shape (batch, columns). False gives a logit too low to choose.
        bias: float, shape (batch, columns), or None.
    Returns:
        float, shape (batch, columns).
    """

    def __init__(self) -> None:
        super().__init__(name="candidate_logits")

    def call(
        self, inputs: Tensor, kernel: Tensor, mask: Tensor, bias: Tensor | None = None
    ) -> Tensor:
        logits = ops.squeeze(ops.matmul(inputs[:, None], kernel), 1)
        return mask_scores(logits if bias is None else logits + bias, mask)

    def compute_output_spec(
        self, inputs: Tensor, kernel: Tensor, mask: Tensor, bias: Tensor | None = None
    ) -> Any:
        return keras.KerasTensor(mask.shape, inputs.dtype)


class EmbeddingAlone(keras.layers.Layer):
    """An embedding that only embeds: with reverse=True it returns its input.

    Args:
        embedding: keras.layers.ReversibleEmbedding, or a layer that is called like one.
    Call arguments:
        inputs: int32 ids, or float with reverse=True.
        reverse: True returns `inputs` unchanged.
    """

    def __init__(self, embedding: keras.layers.Layer) -> None:
        super().__init__(name=embedding.name, dtype=embedding.dtype_policy)
        self.embedding = embedding

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        return inputs if reverse else self.embedding(inputs)


def _output_layers(decoder: keras.Model) -> tuple[keras.layers.Layer, LogitsBias | None]:
    """Returns what gives the logits: a plain Dense, or the embedding and perhaps its bias."""
    layer, bias = decoder.output["logits"]._keras_history.operation, None
    if isinstance(layer, LogitsBias):
        layer, bias = layer.input._keras_history.operation, layer
    is_plain = type(layer) is keras.layers.Dense and layer.activation is keras.activations.linear
    if is_plain or isinstance(layer, keras.layers.ReversibleEmbedding):
        return layer, bias
    raise ValueError(
        "A shortlist needs a decoder that a Seq2SeqConfig describes. "
        f"Received: {decoder.name!r} with a custom output layer."
    )


def _alone(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns an output layer without its projection or its bias."""
    if isinstance(layer, keras.layers.Dense | LogitsBias):
        return keras.layers.Identity(name=layer.name)
    return EmbeddingAlone(layer)
