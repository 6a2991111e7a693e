"""Calls TensorFlow's LiteRT converter."""

import re
from pathlib import Path

import tensorflow as tf
from tensorflow.lite.python.lite import TFLiteSavedModelConverterV2
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from keras_seq2seq.exporters.litert.builtin_operators import BUILTIN_ONLY
from keras_seq2seq.exporters.litert.converted import Converted
from keras_seq2seq.exporters.litert.stand_ins import Changed, StandIns
from keras_seq2seq.runtimes.silence import silence

FOREIGN = re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op")


class _Converter(TFLiteSavedModelConverterV2):
    """The converter of `tf.lite.TFLiteConverter.from_saved_model`, in less time.

    That one loads the SavedModel twice, to look for its signatures and for the lines of Python that
    made its operators. Neither is needed here, and it takes as long as converting.
    """

    def convert(self) -> bytes:
        """Returns the file of the signatures."""
        graph = parse_saved_model(self.saved_model_dir).meta_graphs[0].graph_def
        return self._convert_from_saved_model(graph)


def converted(
    folder: Path, quantization: str, signatures: list[str], stand_ins: StandIns
) -> Converted:
    """Converts signatures of a SavedModel whose weights are constants.

    Args:
        folder: Of the SavedModel.
        quantization: "float32", "float16" or "dynamic_int8".
        signatures: Their names.
        stand_ins: The constants that stand for weights in it.
    Raises:
        Changed: If a constant of the file was computed from a weight.
        ValueError: If the file would need other than builtin operators.
    """
    try:
        with silence():
            converter = _Converter(str(folder), {tf.saved_model.SERVING}, signatures)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
            if quantization != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if quantization == "float16":
                converter.target_spec.supported_types = [tf.float16]
            # Constants after the flatbuffer are neither copied again nor bounded by its 2 GB.
            converter._experimental_use_buffer_offset = True
            return Converted(converter.convert(), stand_ins)
    except Changed:
        raise
    except Exception as error:
        if foreign := sorted(set(FOREIGN.findall(str(error)))):
            raise ValueError(f"{BUILTIN_ONLY} Received: {', '.join(foreign)}.") from error
        raise
