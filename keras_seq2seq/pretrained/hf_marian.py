"""Reads models of Hugging Face Transformers' MarianMTModel, such as those of OPUS-MT."""

import dataclasses
import pathlib
from typing import Any, ClassVar

import numpy as np

from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.pretrained.hf_search import read_search
from keras_seq2seq.pretrained.options import POSITIONS, Options, read_json
from keras_seq2seq.pretrained.pretrained import Checkpoint, Pretrained
from keras_seq2seq.pretrained.safetensors_file import read_safetensors
from keras_seq2seq.pretrained.tensors import Tensors
from keras_seq2seq.pretrained.tokenizers import Side, read_sentencepiece, sides_of_table
from keras_seq2seq.pretrained.torch_file import read_torch_file
from keras_seq2seq.pretrained.weights import LayerWeights, TokenWeights

FAMILY = "Hugging Face Marian"
CONFIG = "config.json"
SHARED_TABLE = "model.shared.weight"
TABLES = ("model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
OUTPUT, BIAS = "lm_head.weight", "final_logits_bias"
SAFETENSORS, TORCH = "model.safetensors", "pytorch_model.bin"
ACTIVATIONS = {
    **{"relu": "relu", "swish": "swish", "silu": "swish", "gelu": "gelu_exact"},
    **{"gelu_new": "gelu", "gelu_pytorch_tanh": "gelu"},
}
# What Transformers does not read for a Marian model, or what changes no translation.
IGNORED = {
    *("_name_or_path", "_num_labels", "architectures", "torch_dtype", "dtype", "torchscript"),
    *("transformers_version", "tokenizer_class", "finetuning_task", "problem_type", "prefix"),
    *("task_specific_params", "id2label", "label2id", "num_labels", "use_cache", "output_past"),
    *("use_bfloat16", "tf_legacy_loss", "return_dict", "output_attentions", "save_step"),
    *("output_hidden_states", "gradient_checkpointing", "chunk_size_feed_forward", "init_std"),
    *("classif_dropout", "classifier_dropout", "encoder_layerdrop", "decoder_layerdrop"),
    *("normalize_before", "normalize_embedding", "add_final_layer_norm", "add_bias_logits"),
    *("static_position_embeddings", "extra_pos_embeddings", "max_position_embeddings"),
    *("num_hidden_layers", "bos_token_id", "sep_token_id", "cross_attention_hidden_size"),
    *("is_decoder", "model_type", "author", "language", "total_flos"),
}
REQUIRED = {
    "is_encoder_decoder": (True,),
    "add_cross_attention": (False,),
    "tie_encoder_decoder": (False,),
    "pruned_heads": ({},),
}
POSITIONS_CLOSE = 5e-3  # of a stored table of positions: some were written in half precision


def read_hf_marian(folder: pathlib.Path, *, max_length: int, positions: str | None) -> Pretrained:
    """Reads a folder with config.json, weights, source.spm, target.spm and vocab.json.

    Args:
        folder: The folder.
        max_length: int > 0. Longest translation in tokens, eos included.
        positions: "sinusoidal", at the rates that Transformers uses, or "marian", at those that
            Marian trained with; None takes those of Transformers.
    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file is damaged, or asks for something that is not supported.
    """
    options = Options(folder / CONFIG, read_json(folder / CONFIG), IGNORED)
    tensors = _tensors(folder)
    sizes = _Sizes.of(options)
    sides = _sides(folder, options)
    strategy = read_search(folder, options, sides[1])
    options.check()
    _check_rows(folder, sides, sizes)
    source, target = (_table(tensors, sizes, side) for side in (0, 1))
    tensors.leave([SHARED_TABLE] if all(name in tensors for name in TABLES) else [])
    tied = _is_tied(tensors, target)
    kernel = None if tied else tensors.take(OUTPUT, target.shape)
    stored = _stored_positions(tensors, sizes.units)
    config = sizes.config(
        sides,
        max_length,
        positions or stored or "sinusoidal",
        shared=sides[0].pieces == sides[1].pieces and np.array_equal(source, target),
        tied=tied,
    )
    tokens = TokenWeights(
        sides[0].table(source),
        sides[1].table(target),
        sides[1].bias(_bias(tensors, sizes)),
        None if kernel is None else np.ascontiguousarray(sides[1].table(kernel).T),
    )
    layers = _Layers(tensors, sizes.units, sizes.feedforward_dim)
    model = Checkpoint(config, *sides, tensors, layers, tokens).model()
    return Pretrained(FAMILY, model, strategy)


@dataclasses.dataclass(frozen=True)
class _Sizes:
    """What config.json says of a model."""

    units: int
    heads: int
    feedforward_dim: int
    num_encoder_layers: int
    num_decoder_layers: int
    activation: str
    scaled: bool
    rows: tuple[int, int]
    dropouts: dict[str, float]

    @classmethod
    def of(cls, options: Options) -> "_Sizes":
        for name in ("attention_heads", "ffn_dim"):
            of_encoder, of_decoder = (
                options.take(f"{side}_{name}", int) for side in ("encoder", "decoder")
            )
            if of_encoder != of_decoder:
                options.errors.append(
                    f"`encoder_{name}` is {of_encoder} and `decoder_{name}` {of_decoder}, which "
                    "must be equal here"
                )
        options.require(REQUIRED)
        activation = options.take("activation_function", str, "gelu")
        if activation not in ACTIVATIONS:
            options.errors.append(
                f"`activation_function` is {activation!r}, not one of {', '.join(ACTIVATIONS)}"
            )
        names = ("dropout", "attention_dropout", "activation_dropout")
        size = options.take("vocab_size", int)
        for name in ("tie_word_embeddings", "share_encoder_decoder_embeddings"):
            options.get(name)  # the tensors tell
        return cls(
            options.take("d_model", int),
            options.take("encoder_attention_heads", int),
            options.take("encoder_ffn_dim", int),
            options.take("encoder_layers", int),
            options.take("decoder_layers", int),
            ACTIVATIONS.get(activation, "relu"),
            options.take("scale_embedding", bool, False),
            (size, options.take("decoder_vocab_size", int, size)),
            {name: float(options.take(name, float, 0.0)) for name in names},
        )

    def config(
        self,
        sides: tuple[Side, Side],
        max_length: int,
        positions: str,
        *,
        shared: bool,
        tied: bool,
    ) -> Seq2SeqConfig:
        source, target = (side.tokenizer.vocabulary_size for side in sides)
        return Seq2SeqConfig(
            source,
            target,
            encoder="transformer",
            decoder="transformer",
            embedding_dim=self.units,
            units=self.units,
            num_heads=self.heads,
            feedforward_dim=self.feedforward_dim,
            num_encoder_layers=self.num_encoder_layers,
            num_decoder_layers=self.num_decoder_layers,
            normalization="post",
            activation=self.activation,
            positions=positions,
            scale_embeddings=self.scaled,
            share_embeddings=shared,
            tie_output=tied,
            output_bias=tied,
            max_length=max_length,
            dropout=self.dropouts["dropout"],
            attention_dropout=self.dropouts["attention_dropout"],
            activation_dropout=self.dropouts["activation_dropout"],
        )


class _Layers(LayerWeights):
    """The weights under the names that Transformers gives to the layers of a Marian model."""

    PARTS: ClassVar = {"attention": "self_attn", "cross_attention": "encoder_attn"}
    NAMES: ClassVar = {
        **{"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "out_proj"},
        **{"inner": "fc1", "outer": "fc2"},
    }

    def __init__(self, tensors: Tensors, units: int, feedforward_dim: int) -> None:
        self._tensors = tensors
        self._units = units
        self._inner = feedforward_dim

    def dense(self, side: str, layer: int, part: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        names = [self.PARTS[part]] if part in self.PARTS else []
        key = ".".join([f"model.{side}.layers.{layer}", *names, self.NAMES[name]])
        inputs, outputs = (self._inner if n == name else self._units for n in ("outer", "inner"))
        kernel = self._tensors.take(f"{key}.weight", (outputs, inputs))
        return kernel.T, self._tensors.take(f"{key}.bias", (outputs,))

    def norm(self, side: str, layer: int, part: str) -> tuple[np.ndarray, np.ndarray]:
        name = f"{self.PARTS[part]}_layer_norm" if part in self.PARTS else "final_layer_norm"
        key = f"model.{side}.layers.{layer}.{name}"
        shape = (self._units,)
        return self._tensors.take(f"{key}.weight", shape), self._tensors.take(f"{key}.bias", shape)


def _tensors(folder: pathlib.Path) -> Tensors:
    for name, read in ((SAFETENSORS, read_safetensors), (TORCH, read_torch_file)):
        if (folder / name).is_file():
            return Tensors(folder / name, read(folder / name))
    if shards := sorted(folder.glob("*.index.json")):
        raise ValueError(
            f"The weights must be in one file, {SAFETENSORS} or {TORCH}. Received: {shards[0]}, "
            "which lists several; save the model with a larger max_shard_size."
        )
    raise FileNotFoundError(f"{folder} holds neither {SAFETENSORS} nor {TORCH}.")


def _sides(folder: pathlib.Path, options: Options) -> tuple[Side, Side]:
    """Returns the vocabularies; special ids are read by name, as those in config.json may err."""
    settings_path = folder / "tokenizer_config.json"
    settings = read_json(settings_path) if settings_path.is_file() else {}
    special = {
        name: _token(settings.get(f"{name}_token"), default)
        for name, default in (("pad", "<pad>"), ("unk", "<unk>"), ("eos", "</s>"))
    }
    separate = settings.get("separate_vocabs") is True
    names = ("vocab.json", "target_vocab.json" if separate else "vocab.json")
    vocabularies = [_vocabulary(folder / name, special) for name in names]
    models = [read_sentencepiece(folder / f"{side}.spm") for side in ("source", "target")]
    start = options.take("decoder_start_token_id", int)
    for name, vocabulary in (("eos", vocabularies[1]), ("pad", vocabularies[0])):
        given = options.get(f"{name}_token_id")
        if given is not None and given != vocabulary[special[name]]:
            options.errors.append(
                f"`{name}_token_id` is {given!r}, and {special[name]} is "
                f"{vocabulary[special[name]]} in the vocabulary"
            )
    if not separate:
        source, target = sides_of_table(vocabularies[0], models, special, start)
        return source, target
    (source,), (target,) = (
        sides_of_table(vocabulary, [model], special, row)
        for vocabulary, model, row in zip(
            vocabularies, models, (vocabularies[0][special["pad"]], start), strict=True
        )
    )
    return source, target


def _token(value: Any, default: str) -> str:
    """Returns the text of a special token, which some files wrap in a table."""
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else default


def _vocabulary(path: pathlib.Path, special: dict[str, str]) -> dict[str, int]:
    found = read_json(path)
    if missing := [token for token in special.values() if token not in found]:
        raise ValueError(f"{path} must have the special tokens {missing}. Received: others only.")
    if sorted(found.values(), key=repr) != sorted(range(len(found)), key=repr):
        raise ValueError(
            f"{path} must have the ids 0 to {len(found) - 1}, each once. Received: others."
        )
    return found


def _check_rows(folder: pathlib.Path, sides: tuple[Side, Side], sizes: _Sizes) -> None:
    """Checks that each row of the tables has a token, and each token a row."""
    for side, rows, name in zip(
        sides, sizes.rows, ("vocab_size", "decoder_vocab_size"), strict=True
    ):
        named = {*side.rows}
        if named != set(range(rows)):
            raise ValueError(
                f"{folder / CONFIG}: `{name}` must be the number of tokens in the vocabulary, and "
                f"the start of the decoder one of them. Received: {rows}, and ids up to "
                f"{max(named)}."
            )


def _stored_positions(tensors: Tensors, units: int) -> str | None:
    """Returns which positions a table among the tensors holds; None if there is none."""
    found = set()
    for side in ("encoder", "decoder"):
        name = f"model.{side}.embed_positions.weight"
        if name in tensors:
            table = tensors.take(name, (tensors.shape(name)[0], units))
            kinds = [
                kind
                for kind in POSITIONS
                if np.abs(table - _positions(kind, *table.shape)).max(initial=0) < POSITIONS_CLOSE
            ]
            if not kinds:
                raise ValueError(
                    f"{tensors.path}: {name} must hold sinusoidal positions. Received: others, as "
                    "of learned positions, which are not supported."
                )
            found.add(kinds[0])
    if len(found) > 1:
        raise ValueError(f"{tensors.path}: encoder and decoder must have the same positions.")
    return found.pop() if found else None


def _positions(kind: str, length: int, units: int) -> np.ndarray:
    steps = units / 2 - (kind == "marian")
    angles = np.arange(length)[:, None] * 10_000.0 ** (-np.arange(units // 2) / steps)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _table(tensors: Tensors, sizes: _Sizes, side: int) -> np.ndarray:
    """Returns the embedding of a side: its own table, or else the one that both share."""
    name = TABLES[side] if TABLES[side] in tensors else SHARED_TABLE
    return tensors.take(name, (sizes.rows[side], sizes.units))


def _is_tied(tensors: Tensors, target: np.ndarray) -> bool:
    """Returns True if the output has the table of the target; compares, as files hold both."""
    return OUTPUT not in tensors or bool(np.array_equal(tensors.take(OUTPUT), target))


def _bias(tensors: Tensors, sizes: _Sizes) -> np.ndarray:
    if BIAS not in tensors:
        return np.zeros(sizes.rows[1], "float32")
    return tensors.take_flat(BIAS, sizes.rows[1])
