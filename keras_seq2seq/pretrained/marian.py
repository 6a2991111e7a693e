"""Reads models of the Marian toolkit: model.npz, and the model.bin of Bergamot and Firefox."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from keras_seq2seq.decoding.shortlist import Shortlist
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.pretrained.marian_file import read_marian_model
from keras_seq2seq.pretrained.marian_search import read_search
from keras_seq2seq.pretrained.marian_shortlist import read_marian_shortlist
from keras_seq2seq.pretrained.marian_vocabulary import read_vocabularies
from keras_seq2seq.pretrained.options import Options
from keras_seq2seq.pretrained.pretrained import Checkpoint, Pretrained
from keras_seq2seq.pretrained.tensors import Tensors
from keras_seq2seq.pretrained.tokenizers import Side
from keras_seq2seq.pretrained.weights import RecurrentLayerWeights, TokenWeights

FAMILY = "Marian"
NORM_EPSILON = 1e-9
# Options of other architectures and of training, which change no translation of these models.
IGNORED = {
    *("version", "dim-rnn", "dim-vocabs", "enc-type", "enc-cell", "enc-cell-depth", "skip"),
    *("dec-cell-base-depth", "dec-cell-high-depth", "transformer-dim-aan", "special-vocab"),
    *("transformer-aan-depth", "transformer-aan-activation", "transformer-aan-nogate"),
    *("transformer-guided-alignment-layer", "transformer-depth-scaling", "input-types"),
    *("bert-train-type-embeddings", "bert-type-vocab-size", "max-length", "original-type"),
    *("ulr-dim-emb", "ulr-trainable-weights", "ulr-trainable-transformation"),
    *("factors-combine", "factors-dim-emb", "lemma-dependency", "char-stride", "char-highway"),
    *("char-conv-filters-num", "char-conv-filters-widths"),
}
REQUIRED: dict[str, tuple[Any, ...]] = {
    "type": ("transformer",),
    "transformer-preprocess": ("",),
    "transformer-postprocess": ("dan",),
    "transformer-postprocess-emb": ("d",),
    "transformer-postprocess-top": ("",),
    "transformer-ffn-depth": (2,),
    "transformer-decoder-dim-ffn": (0,),
    "transformer-decoder-ffn-depth": (0,),
    "transformer-no-projection": (False,),
    "transformer-no-bias": (False,),
    "transformer-no-affine": (False,),
    "transformer-rnn-projection": (False,),
    "transformer-pool": (False,),
    "transformer-tied-layers": ([],),
    "transformer-train-positions": (False,),
    "transformer-train-position-embeddings": (False,),
    "transformer-disable-position-embeddings": (False,),
    "transformer-decoder-autoreg": ("self-attention", "rnn"),
    "transformer-ffn-activation": ("relu", "swish"),
    "layer-normalization": (False,),
    "right-left": (False,),
    "output-omit-bias": (False,),
    "output-approx-knn": ([],),
    "lemma-dim-emb": (0,),
    "ulr": (False,),
}
PRE_NORM = (
    "`transformer-preprocess` is 'n': Marian then normalizes the queries of an attention alone, "
    "which no model here does"
)
_ALPHA = "_QuantMultA"  # the scale of an activation, which 8-bit files of intgemm may hold


def read_marian(
    path: pathlib.Path,
    *,
    max_length: int,
    positions: str | None,
    vocabularies: Sequence[pathlib.Path] = (),
) -> Pretrained:
    """Reads a model file, and the vocabularies and the shortlist beside it.

    Args:
        path: model.npz or model.bin, with the options inside.
        max_length: int > 0. Longest translation in tokens, eos included.
        positions: "marian" or "sinusoidal"; None takes those of Marian.
        vocabularies: One SentencePiece model, or that of the source and that of the target; empty
            looks for them beside the model.
    Raises:
        FileNotFoundError: If there is no vocabulary.
        ImportError: If PyYAML is not installed.
        ValueError: If a file is damaged, or asks for something that is not supported.
    """
    tensors, values = read_marian_model(path)
    tensors.leave(name for name in list(tensors.left) if name.endswith(_ALPHA))
    options = Options(path, values, IGNORED)
    shape = _Shape.of(options)
    options.check()
    source, target = read_vocabularies(path, vocabularies)
    config = Seq2SeqConfig(
        source.tokenizer.vocabulary_size,
        target.tokenizer.vocabulary_size,
        encoder="transformer",
        decoder="transformer",
        decoder_cell="ssru" if shape.is_recurrent else "",
        embedding_dim=shape.units,
        units=shape.units,
        num_heads=shape.heads,
        feedforward_dim=shape.inner,
        num_encoder_layers=shape.num_encoder_layers,
        num_decoder_layers=shape.num_decoder_layers,
        normalization="post",
        activation=shape.activation,
        positions=positions or "marian",
        norm_epsilon=NORM_EPSILON,
        share_embeddings=shape.has_one_table,
        tie_output=shape.is_tied,
        output_bias=shape.is_tied,
        max_length=max_length,
        dropout=0.1,
    )
    tokens = _tokens(tensors, shape, source, target)
    checkpoint = Checkpoint(config, source, target, tensors, _Layers(tensors, shape), tokens)
    return Pretrained(
        FAMILY, checkpoint.model(), read_search(path), _shortlist(path, source, target)
    )


@dataclasses.dataclass(frozen=True)
class _Shape:
    """What the options of Marian say of a model."""

    units: int
    heads: int
    inner: int
    num_encoder_layers: int
    num_decoder_layers: int
    activation: str
    is_recurrent: bool
    has_one_table: bool
    is_tied: bool

    @classmethod
    def of(cls, options: Options) -> "_Shape":
        if options.get("transformer-preprocess") == "n":
            options.errors.append(PRE_NORM)
        options.require(REQUIRED)
        is_recurrent = options.get("transformer-decoder-autoreg") == "rnn"
        cell = options.get("dec-cell")
        if is_recurrent and cell != "ssru":
            options.errors.append(f"`dec-cell` is {cell!r}, and only 'ssru' can be imported")
        every = options.take("tied-embeddings-all", bool, False)
        of_sides = options.take("tied-embeddings-src", bool, False)
        of_output = options.take("tied-embeddings", bool, False)
        return cls(
            options.take("dim-emb", int),
            options.take("transformer-heads", int),
            options.take("transformer-dim-ffn", int),
            options.take("enc-depth", int),
            options.take("dec-depth", int),
            options.take("transformer-ffn-activation", str, "swish"),
            is_recurrent,
            every or of_sides,
            every or of_output,
        )


class _Layers(RecurrentLayerWeights):
    """The weights under the names that Marian gives to the layers of a Transformer."""

    PARTS: ClassVar = {"attention": "self", "cross_attention": "context", "feedforward": "ffn"}
    NAMES: ClassVar = {
        **{"query": "q", "key": "k", "value": "v", "output": "o"},
        **{"inner": "1", "outer": "2"},
    }

    def __init__(self, tensors: Tensors, shape: _Shape) -> None:
        self._tensors = tensors
        self._shape = shape

    def dense(self, side: str, layer: int, part: str, name: str) -> tuple[np.ndarray, np.ndarray]:
        units, inner = self._shape.units, self._shape.inner
        inputs, outputs = (inner if n == name else units for n in ("outer", "inner"))
        prefix, end = f"{side}_l{layer + 1}_{self.PARTS[part]}", self.NAMES[name]
        kernel = self._tensors.take(f"{prefix}_W{end}", (inputs, outputs))
        return kernel, self._tensors.take_flat(f"{prefix}_b{end}", outputs)

    def norm(self, side: str, layer: int, part: str) -> tuple[np.ndarray, np.ndarray]:
        end = "ffn" if part == "feedforward" else "Wo"
        prefix = f"{side}_l{layer + 1}_{self.PARTS[part]}_{end}"
        if self._shape.is_recurrent and (side, part) == ("decoder", "attention"):
            prefix = f"{side}_l{layer + 1}_rnn_ffn"
        names = f"{prefix}_ln_scale", f"{prefix}_ln_bias"
        scale, shift = (self._tensors.take_flat(name, self._shape.units) for name in names)
        return scale, shift

    def recurrence(self, layer: int) -> tuple[np.ndarray, np.ndarray]:
        units, prefix = self._shape.units, f"decoder_l{layer + 1}_rnn"
        kernels = [self._tensors.take(f"{prefix}_{name}", (units, units)) for name in ("Wf", "W")]
        return np.concatenate(kernels, axis=1), self._tensors.take_flat(f"{prefix}_bf", units)


def _tokens(tensors: Tensors, shape: _Shape, source: Side, target: Side) -> TokenWeights:
    names = ["Wemb", "Wemb"] if shape.has_one_table else ["encoder_Wemb", "decoder_Wemb"]
    sizes = [max(side.rows) + 1 for side in (source, target)]
    for name, size in zip(names, sizes, strict=True):
        if tensors.shape(name) != (size, shape.units):
            raise ValueError(
                f"{tensors.path}: {name} must have a row for each piece of its vocabulary, and "
                f"columns for its units. Received: {tensors.shape(name)} for {size} pieces and "
                f"{shape.units} units; name the vocabularies of this model."
            )
    tables = source.table(tensors.take(names[0])), target.table(tensors.take(names[1]))
    bias = target.bias(tensors.take_flat("decoder_ff_logit_out_b", sizes[1]))
    if shape.is_tied:
        return TokenWeights(*tables, bias)
    kernel = tensors.take("decoder_ff_logit_out_W", (shape.units, sizes[1]))
    return TokenWeights(*tables, bias, np.ascontiguousarray(target.table(kernel.T).T))


def _shortlist(path: pathlib.Path, source: Side, target: Side) -> Shortlist | None:
    found = sorted(path.parent.glob("lex*.bin"))
    if not found:
        return None
    if len(found) > 1:
        raise ValueError(
            f"Beside {path} there must be one shortlist, lex*.bin. Received: "
            f"{', '.join(file.name for file in found)}; leave one there."
        )
    sizes = source.tokenizer.vocabulary_size, target.tokenizer.vocabulary_size
    joint = source.pieces == target.pieces
    return read_marian_shortlist(found[0], source.new_ids, target.new_ids, sizes, joint=joint)
