"""One ONNX LayerNormalization node for each layer normalisation of a model."""

from typing import Any

import keras
import tensorflow as tf

FIRST_OPSET = 17


class NativeNorms:
    """Traces layer normalisations as placeholders, and writes these as native ONNX nodes.

    tf2onnx writes eleven nodes for one keras.layers.LayerNormalization. Here it is traced as one
    raw operator QuantizeAndDequantizeV2, which has the inputs of a normalisation and is never run;
    the handler then writes one LayerNormalization in its place.

    It covers keras.layers.LayerNormalization over the last axis, with scale and centre. Others stay
    as they are.
    """

    def __init__(self) -> None:
        self._epsilons: list[float] = []

    def replace(self, model: keras.Model) -> keras.Model:
        """Returns a functional model with placeholders, which shares every weight."""
        return keras.models.clone_model(model, clone_function=self._replaced, recursive=True)

    @property
    def handlers(self) -> dict[str, Any]:
        """The custom operator handlers for tf2onnx."""
        return {"QuantizeAndDequantizeV2": (self._write, [])}

    def _replaced(self, layer: keras.layers.Layer) -> keras.layers.Layer:
        if not is_covered(layer):
            return layer
        self._epsilons.append(layer.epsilon)
        return PlaceholderNorm(layer, len(self._epsilons))

    def _write(self, graph: Any, placeholder: Any, name: str, args: Any) -> None:
        epsilon = self._epsilons[placeholder.get_attr_value("num_bits") - 1]
        inputs, outputs = list(placeholder.input), list(placeholder.output)
        shapes, dtypes = placeholder.output_shapes, placeholder.output_dtypes
        graph.remove_node(placeholder.name)
        graph.make_node(
            "LayerNormalization",
            inputs,
            attr={"axis": -1, "epsilon": epsilon},
            outputs=outputs,
            shapes=shapes,
            dtypes=dtypes,
            op_name_scope=name,
        )


class PlaceholderNorm(keras.layers.Layer):
    """Stands for a layer normalisation in an exported graph; traced and never run.

    Args:
        layer: The layer to stand for.
        number: int > 0. Tells the handler which layer it was.
    Call arguments:
        inputs: float, shape (..., size).
    Returns:
        float, shape (..., size).
    """

    def __init__(self, layer: keras.layers.Layer, number: int) -> None:
        super().__init__(name=layer.name, dtype=layer.dtype_policy)
        self.layer = layer
        self.number = number
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return tf.raw_ops.QuantizeAndDequantizeV2(
            input=inputs,
            input_min=self.layer.gamma,
            input_max=self.layer.beta,
            range_given=True,
            num_bits=self.number,
            axis=inputs.shape.rank - 1,
            name="native_norm",
        )

    def compute_output_shape(self, inputs_shape: Any) -> Any:
        return inputs_shape


def is_covered(layer: keras.layers.Layer) -> bool:
    """Returns True if one ONNX node computes the layer."""
    return (
        type(layer) is keras.layers.LayerNormalization
        and list(layer.axis) == [-1]
        and layer.gamma is not None
        and layer.beta is not None
    )
