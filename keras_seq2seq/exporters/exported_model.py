"""The model that the files of an export hold."""

import keras

from keras_seq2seq.models.layer_changes import has_lora, layers_by_path
from keras_seq2seq.models.precision import EXACT_POLICY, in_float32
from keras_seq2seq.seq2seq import Seq2Seq

OTHER_PRECISIONS = {"bfloat16", "float16", "float64"}


def other_precisions(model: Seq2Seq) -> list[str]:
    """Returns the dtypes besides float32 that layers compute in or keep weights in, sorted."""
    layers = layers_by_path(model).values()
    dtypes = {dtype for layer in layers for dtype in (layer.compute_dtype, layer.variable_dtype)}
    return sorted(dtypes & OTHER_PRECISIONS)


def exported_model(model: Seq2Seq) -> Seq2Seq:
    """Returns a model that computes in float32, without LoRA matrices, from the same weights.

    No format computes in another precision in all its runtimes. LoRA matrices are added to the
    weights that they belong to.

    Args:
        model: A trained model, which stays as it is; not quantized by Keras.
    Returns:
        The model itself, if it is such a model already.
    """
    if not other_precisions(model) and not has_lora(model):
        return model
    plain = Seq2Seq.from_config(in_float32(model.get_config()))
    plain.tokenizers = model.tokenizers
    layers = layers_by_path(plain)
    for path, layer in layers_by_path(model).items():
        weights: dict[str, keras.KerasTensor] = {}
        layer.save_own_variables(weights)
        if weights:
            exact = {k: keras.ops.cast(value, EXACT_POLICY) for k, value in weights.items()}
            layers[path].load_own_variables(exact)
    return plain
