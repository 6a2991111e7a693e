"""Seq2Seq: an encoder and a decoder, one graph for `fit`, two models for inference."""

import functools
import pathlib
import warnings
from collections.abc import Iterable
from typing import Any

import keras
from keras.src.backend.common.global_state import get_global_attribute

from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.models.builders import build_decoder, build_embedding, build_encoder
from keras_seq2seq.models.compile_rules import loss_faults, metric_faults
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.models.contract import check_contract
from keras_seq2seq.models.decoder_step import build_decoder_step
from keras_seq2seq.models.keras_file import checked_keras_file
from keras_seq2seq.models.layer_changes import LayerChanges, check_calibrated
from keras_seq2seq.models.losses import MaskedCrossentropy
from keras_seq2seq.models.metrics import Perplexity, TokenAccuracy
from keras_seq2seq.models.positions import check_batch_lengths
from keras_seq2seq.models.precision import dtype_policy
from keras_seq2seq.models.replicas import check_one_replica
from keras_seq2seq.models.token_model import TokenModel
from keras_seq2seq.runtimes.process import check_started_here, started
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.text.vocabulary import check_shared_vocabulary, check_vocabulary_sizes
from keras_seq2seq.translator import Translator


@keras.saving.register_keras_serializable("keras_seq2seq")
class Seq2Seq(TokenModel):
    """An encoder and a decoder as one Keras functional graph.

    Train it with plain `fit`. `encoder` and `decoder_step` are made of the layers that were
    trained: splitting copies nothing. The tokenizers, once set, travel inside the `.keras` file,
    and so does what Keras calls did to single layers: `quantize`, `enable_lora`, `trainable`, dtype
    policies.

    Args:
        config: Describes the parts that are not given.
        encoder: A functional model of your own that keeps the contract; None builds one.
        decoder: A functional model of your own that keeps the contract; None builds one.
        tokenizers: Needed by `translate`; may be set later.
    Call arguments:
        inputs: {"source_ids": int32 (batch, source_length), ended by eos and padded with 0,
            "target_ids": int32 (batch, target_length), started by bos and padded with 0}.
    Returns:
        Logits, float32, shape (batch, target_length, target_vocabulary_size).
    Raises:
        ValueError: If a part is missing, the parts do not keep the contract, or the tokenizers
            have other vocabulary sizes than `config`.
    Example:
        >>> config = Seq2SeqConfig(source_vocabulary_size=9, target_vocabulary_size=9, units=8)
        >>> model = Seq2Seq(config)
        >>> sorted(model.encoder.output)
        ['keys', 'memory', 'source_mask', 'state_0']

    Reference:
        Sutskever et al. 2014; Bahdanau et al. 2015.
    """

    def __init__(
        self,
        config: Seq2SeqConfig | None = None,
        *,
        encoder: keras.Model | None = None,
        decoder: keras.Model | None = None,
        tokenizers: TokenizerPair | None = None,
        name: str = "seq2seq",
        **kwargs: Any,
    ) -> None:
        check_started_here(keras.backend.backend(), "A Keras model")
        started(keras.backend.backend())
        custom = {"encoder": encoder, "decoder": decoder}
        encoder, decoder = _complete(config, encoder, decoder)
        check_contract(encoder, decoder)
        if all(custom.values()):
            _check_unshared(encoder, decoder)
        self._join(config, encoder, decoder, name=name, **kwargs)
        self.tokenizers = tokenizers
        self._custom = {part: model for part, model in custom.items() if model is not None}
        self._changes = LayerChanges(self, [model.name for model in self._custom.values()])

    def _join(
        self,
        config: Seq2SeqConfig | None,
        encoder: keras.Model,
        decoder: keras.Model,
        **kwargs: Any,
    ) -> None:
        """Makes one graph of both parts."""
        inputs = {
            "source_ids": keras.Input((None,), dtype="int32", name="source_ids"),
            "target_ids": keras.Input((None,), dtype="int32", name="target_ids"),
        }
        encoded = encoder(inputs["source_ids"])
        fed = {k: v for k, v in encoded.items() if k in decoder.input}
        logits = decoder({"target_ids": inputs["target_ids"], **fed})["logits"]
        super().__init__(inputs=inputs, outputs=logits, **kwargs)
        self.config = config
        self.encoder = encoder
        self.decoder = decoder
        self._tokenizers: TokenizerPair | None = None
        self._runtimes: dict[Any, Any] = {}

    @functools.cached_property
    def decoder_step(self) -> keras.Model:
        """The decoder for one token: `target_ids` (batch,), the same layers, the same weights."""
        return build_decoder_step(self.decoder)

    @property
    def tokenizers(self) -> TokenizerPair | None:
        """Text to ids and back, or None; may be set, for the model's vocabulary sizes only."""
        return self._tokenizers

    @tokenizers.setter
    def tokenizers(self, tokenizers: TokenizerPair | None) -> None:
        if tokenizers is not None and self.config is not None:
            wanted = self.config.source_vocabulary_size, self.config.target_vocabulary_size
            check_vocabulary_sizes("The tokenizers", tokenizers.vocabulary_sizes, wanted)
            if self.config.share_embeddings:
                sides = (tokenizers.source, tokenizers.target)
                check_shared_vocabulary(
                    *(side.pieces(range(side.vocabulary_size)) for side in sides)
                )
        self._tokenizers = tokenizers

    def check_max_length(self, max_length: int) -> None:
        """Checks that the decoder can take `max_length` tokens.

        Raises:
            ValueError: If its caches are shorter.
        """
        longest = self.config.longest_target if self.config and not self._custom else None
        if longest is not None and max_length > longest:
            raise ValueError(
                f"`max_length` must be at most {longest}, the size of the Transformer decoder's "
                f"caches. Received: {max_length}; build the model with a larger max_length."
            )

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        *,
        label_smoothing: float = 0.0,
        jit_compile: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Configures training, with defaults that fit a recurrent model.

        Args:
            optimizer: Default: Adam, learning rate 1e-3, gradients clipped at global norm 1.
            loss: Default: `MaskedCrossentropy(label_smoothing)`.
            metrics: Default: `TokenAccuracy()` and `Perplexity()`; pass [] for none.
            label_smoothing: float, 0 <= label_smoothing < 1, for the default loss.
            jit_compile: Default: True on JAX, else False; see keras.Model.compile.
            **kwargs: Further arguments of keras.Model.compile.
        Raises:
            ValueError: If `label_smoothing` is given together with a loss, or is out of its range;
                if a loss of Keras takes logits for probabilities or a metric counts padding; if
                the model would train on several replicas.
        """
        check_one_replica(self)
        if loss is not None and label_smoothing:
            raise ValueError(
                "`label_smoothing` belongs to the default loss; pass it to your loss instead. "
                f"Received: loss={loss!r}, label_smoothing={label_smoothing}."
            )
        weighted = kwargs.get("weighted_metrics")
        if faults := [
            *loss_faults(loss),
            *metric_faults("metrics", metrics),
            *metric_faults("weighted_metrics", weighted),
        ]:
            raise ValueError("\n".join(faults))
        super().compile(
            optimizer=optimizer or keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
            loss=loss or MaskedCrossentropy(label_smoothing),
            metrics=[TokenAccuracy(), Perplexity()] if metrics is None else metrics,
            jit_compile=keras.backend.backend() == "jax" if jit_compile is None else jit_compile,
            **kwargs,
        )
        self._given_jit_compile = jit_compile

    def get_compile_config(self) -> dict[str, Any]:
        config = super().get_compile_config()
        # A default is chosen again on loading, where the backend may be another one.
        return {**config, "jit_compile": self._given_jit_compile} if config else config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Restores what `compile` was given, when a saved model is loaded."""
        arguments = keras.saving.deserialize_keras_object(config)
        # An earlier release compiled with what `compile` now refuses.
        faults = {
            "loss": loss_faults(arguments.get("loss")),
            **{
                name: metric_faults(name, arguments.get(name))
                for name in ("metrics", "weighted_metrics")
            },
        }
        for name, found in faults.items():
            if found:
                del arguments[name]
                warnings.warn(f"Compiled with the default instead: {found[0]}", stacklevel=2)
        self.compile(**arguments)
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """Trains the model: keras.Model.fit.

        Raises:
            ValueError: If `PairBatches` are longer than the model's learned positions.
        """
        for batches in (x, kwargs.get("validation_data")):
            check_batch_lengths(self.encoder, self.decoder, batches)
        return super().fit(x, *args, **kwargs)

    def translate(
        self,
        texts: str | Iterable[str],
        *,
        batch_size: int = 32,
        max_length: int | None = None,
        strategy: Strategy | None = None,
    ) -> Any:
        """Translates texts with a search inside the graph.

        Args:
            texts: One text or several. An empty text gives an empty translation.
            batch_size: int > 0. Texts per graph call.
            max_length: int > 0. Longest translation in tokens, end of sentence included;
                None takes the configuration's.
            strategy: `Greedy()`, the default, `BeamSearch(...)` or `Sampling(...)`.
        Returns:
            str for one text, list of str in the order of the texts for several.
        Raises:
            ValueError: If the model has no tokenizers.
        """
        check_started_here(keras.backend.backend(), "A Keras model")
        translator = Translator.from_model(self, max_length=max_length, strategy=strategy)
        # One runtime for each length, so that its compiled graphs are reused, as long as `quantize`
        # or `enable_lora` brings no other variables.
        variables = tuple(map(id, self.variables)), tuple(_compute_dtypes(self))
        if self._runtimes.get("variables") != variables:
            self._runtimes = {"variables": variables}
        runtimes = self._runtimes
        translator.runtime = runtimes.setdefault(translator.max_length, translator.runtime)
        return translator.translate(texts, batch_size=batch_size)

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Prints the encoder and the decoder, layer by layer, then the whole model.

        The arguments are those of keras.Model.summary.
        """
        self.encoder.summary(*args, **kwargs)
        self.decoder.summary(*args, **kwargs)
        super().summary(*args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        if get_global_attribute("use_legacy_config"):
            raise ValueError("A Seq2Seq is saved to a `.keras` file. Received: an HDF5 file.")
        parts = {k: keras.saving.serialize_keras_object(v) for k, v in self._custom.items()}
        config = self.config.to_dict() if self.config else None
        changes = self._changes.found()
        return {
            "name": self.name,
            "config": config,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **({"layers": changes} if changes else {}),
            **parts,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Seq2Seq":
        values = dict(config)
        described = values.pop("config")
        changes = values.pop("layers", {})
        # A file of an earlier release names no policy.
        policy = values.pop("dtype", None) or keras.config.dtype_policy()
        parts = {
            part: keras.saving.deserialize_keras_object(values.pop(part), custom_objects)
            for part in ("encoder", "decoder")
            if part in values
        }
        with dtype_policy(policy):
            model = cls(
                Seq2SeqConfig.from_dict(described) if described else None, **parts, **values
            )
        model._changes.make(changes)
        return model

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        zipped: bool | None = None,
        *,
        include_optimizer: bool = True,
        **kwargs: Any,
    ) -> None:
        """Writes the model with its tokenizers to a `.keras` file.

        Args:
            filepath: The file.
            overwrite, zipped, **kwargs: See keras.Model.save.
            include_optimizer: False leaves out what `compile` and `fit` added, two thirds of the
                file after training with Adam; the model itself keeps it.
        Raises:
            ValueError: If `filepath` has another ending, or a quantized layer no weights yet.
        """
        if zipped is not False and pathlib.Path(filepath).suffix != ".keras":
            raise ValueError(
                "A Seq2Seq is saved to a `.keras` file, which holds its tokenizers too; to deploy "
                f"it, call keras_seq2seq.export. Received: {filepath}."
            )
        check_calibrated(self)
        model = self if include_optimizer else self._uncompiled()
        super(Seq2Seq, model).save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def _uncompiled(self) -> "Seq2Seq":
        """Returns a model of the same layers that has not been compiled."""
        model = Seq2Seq.__new__(Seq2Seq)
        model._join(self.config, self.encoder, self.decoder, name=self.name)
        model.dtype_policy = self.dtype_policy
        model.tokenizers = self.tokenizers
        model._custom = self._custom
        model._changes = self._changes
        return model

    def save_assets(self, folder: str) -> None:
        """Writes the tokenizers into a `.keras` file that is being saved."""
        if self.tokenizers is not None:
            self.tokenizers.save(pathlib.Path(folder))

    def load_assets(self, folder: str) -> None:
        """Reads the tokenizers from a `.keras` file that is being loaded."""
        if any(pathlib.Path(folder).glob("*.model")):
            self.tokenizers = TokenizerPair.load(pathlib.Path(folder))


def load_model(path: str | pathlib.Path, *, compile: bool = True) -> Seq2Seq:
    """Loads a model that `save` wrote to a `.keras` file.

    Args:
        path: The `.keras` file.
        compile: Also restore optimizer, loss and metrics, to continue training.
    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, asks for more weights than it holds, or holds another
            kind of model; names the file.
    """
    check_started_here(keras.backend.backend(), str(path))
    with checked_keras_file(pathlib.Path(path)):
        model = keras.saving.load_model(str(path), compile=compile, safe_mode=True)
    if not isinstance(model, Seq2Seq):
        raise ValueError(
            f"A keras_seq2seq file must hold a Seq2Seq model. Received: {path} with a "
            f"{type(model).__name__}; load it with keras.saving.load_model."
        )
    return model


def _complete(
    config: Seq2SeqConfig | None, encoder: keras.Model | None, decoder: keras.Model | None
) -> tuple[keras.Model, keras.Model]:
    """Returns both parts, building from the configuration those that are None."""
    if config is None:
        if encoder is None or decoder is None:
            raise ValueError(
                "Seq2Seq needs a `config`, or an `encoder` and a `decoder`. Received: "
                f"config=None, encoder={encoder!r}, decoder={decoder!r}."
            )
        return encoder, decoder
    source = build_embedding(config, "source")
    target = source if config.share_embeddings else build_embedding(config, "target")
    return encoder or build_encoder(config, source), decoder or build_decoder(config, target)


def _check_unshared(encoder: keras.Model, decoder: keras.Model) -> None:
    of_decoder = {id(weight) for weight in decoder.weights}
    if shared := [weight.path for weight in encoder.weights if id(weight) in of_decoder]:
        raise ValueError(
            "A custom encoder and decoder must not share weights, which a .keras file cannot "
            "restore; pass a config with share_embeddings=True instead. "
            f"Received: shared {shared}."
        )


def _compute_dtypes(model: keras.Model) -> list[str]:
    layers = (*model.encoder.layers, *model.decoder.layers)
    return [layer.compute_dtype for layer in layers]
