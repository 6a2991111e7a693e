"""The calls of a Keras model that would be wrong for a model of tokens."""

import abc
import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.models.fit import Fit
from keras_seq2seq.models.output_chunks import ChunkedOutput


class TokenModel(ChunkedOutput, Fit, keras.Model, abc.ABC):
    """A Keras model that refuses calls of Keras which lose its meaning, and says what to call."""

    def fit(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Trains the model: keras.Model.fit.

        Raises:
            ValueError: If `class_weight` is given, which has no meaning for token labels.
        """
        _check_class_weight(super().fit, args, kwargs)
        return super().fit(*args, **kwargs)

    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Trains on one batch: keras.Model.train_on_batch.

        Raises:
            ValueError: If `class_weight` is given, which has no meaning for token labels.
        """
        _check_class_weight(super().train_on_batch, args, kwargs)
        return super().train_on_batch(*args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the logits of given targets, float32, (rows, target_length, vocabulary_size).

        To translate, call `translate`.

        Args:
            x: The call arguments as arrays; of `PairBatches` and other data sets, whose lengths
                vary, call `predict_on_batch` for each batch.
            *args, **kwargs: Those of keras.Model.predict.
        Raises:
            ValueError: If `x` is not a dict of arrays.
        """
        if not isinstance(x, dict):
            raise ValueError(
                "`predict` computes the logits of given targets and needs them as arrays: "
                '{"source_ids", "target_ids"}. To translate texts, call model.translate(texts); '
                "for how probable translations are, Translator.score; for the logits of a data "
                "set, whose lengths vary, predict_on_batch for each batch. "
                f"Received: {type(x).__name__}."
            )
        return super().predict(x, *args, **kwargs)

    def export(self, *args: Any, **kwargs: Any) -> None:
        """Refuses: keras.Model.export would write the graph of training, which needs the target.

        Raises:
            ValueError: Always; it names what to call.
        """
        raise ValueError(
            "`model.export` of Keras would write the graph of training, which takes the target and "
            "cannot translate. Call keras_seq2seq.export(model, output_dir), which writes "
            "SavedModel, LiteRT and ONNX files that translate. "
            f"Received: {args or kwargs}."
        )

    def _run_through_graph(self, *args: Any, **kwargs: Any) -> Any:
        if str(getattr(kwargs.get("operation_fn"), "__module__", "")).endswith(".cloning"):
            raise ValueError(
                "keras.models.clone_model would return a model that cannot translate. Call "
                "Seq2Seq.from_config(model.get_config()) for the same model with new weights, or "
                f"copy.deepcopy(model) for one with these. Received: {self.name!r}."
            )
        return super()._run_through_graph(*args, **kwargs)


def _check_class_weight(
    method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Checks the arguments of a method of Keras: labels of tokens have no `class_weight`."""
    given = inspect.signature(method).bind_partial(*args, **kwargs).arguments.get("class_weight")
    if given is not None:
        raise ValueError(
            "`class_weight` weighs rows by one label each; here a row has a label for each token. "
            "Pass `sample_weight` (rows, target_length): np.take(weights, labels), with the weight "
            f"of each id in `weights`. Received: class_weight={given!r}."
        )
