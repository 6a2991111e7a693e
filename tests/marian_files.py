"""Writes models of this package as files of Marian: model.npz, 8-bit model.bin, lex.bin."""

import struct

import numpy as np

from keras_seq2seq.file_formats.sentencepiece_model import CONTROL, Piece, SentencePieceModel
from keras_seq2seq.pretrained.marian_file import INTGEMM8, OPTIONS
from keras_seq2seq.pretrained.marian_shortlist import MAGIC, hashed

FLOAT32, INT8 = 0x0404, 0x0101
# What marian-train leaves in a model, for a Transformer.
PLAIN_OPTIONS = {
    "type": "transformer",
    "dim-vocabs": [0, 0],
    "dim-rnn": 1024,
    "enc-cell": "gru",
    "enc-type": "bidirectional",
    "enc-cell-depth": 1,
    "dec-cell": "gru",
    "dec-cell-base-depth": 2,
    "dec-cell-high-depth": 1,
    "skip": False,
    "layer-normalization": False,
    "right-left": False,
    "input-types": [],
    "tied-embeddings": False,
    "tied-embeddings-src": False,
    "tied-embeddings-all": True,
    "transformer-no-projection": False,
    "transformer-ffn-depth": 2,
    "transformer-dim-aan": 2048,
    "transformer-aan-depth": 2,
    "transformer-aan-activation": "swish",
    "transformer-aan-nogate": False,
    "transformer-preprocess": "",
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": "",
    "transformer-decoder-autoreg": "self-attention",
    "transformer-tied-layers": [],
    "transformer-train-positions": False,
    "bert-train-type-embeddings": True,
    "bert-type-vocab-size": 2,
    "ulr": False,
    "ulr-dim-emb": 0,
    "ulr-trainable-weights": False,
    "lemma-dim-emb": 0,
    "char-conv-filters-num": [200],
    "char-highway": 4,
    "char-stride": 5,
    "factors-combine": "sum",
    "factors-dim-emb": 0,
    "max-length": 100,
    "version": "v1.9.56",
}


def marian_options(config, **changes):
    """Returns the options of Marian for a configuration."""
    is_student = config.decoder_cell == "ssru"
    return {
        **PLAIN_OPTIONS,
        "dim-emb": config.units,
        "transformer-heads": config.num_heads,
        "transformer-dim-ffn": config.feedforward_dim,
        "transformer-ffn-activation": config.activation,
        "enc-depth": config.num_encoder_layers,
        "dec-depth": config.num_decoder_layers,
        "dec-cell": "ssru" if is_student else "gru",
        "transformer-decoder-autoreg": "rnn" if is_student else "self-attention",
        "tied-embeddings-all": config.share_embeddings,
        "tied-embeddings": config.tie_output and not config.share_embeddings,
        **changes,
    }


def marian_tensors(model, source_rows, target_rows=None):
    """Returns the tensors of a model under Marian's names.

    Args:
        model: A `Seq2Seq` of two Transformers, normalized after each sublayer.
        source_rows: For each old source id the new one.
        target_rows: The same of the target; None takes those of the source.
    """
    target_rows = source_rows if target_rows is None else target_rows
    encoder, decoder = ({la.name: la for la in m.layers} for m in (model.encoder, model.decoder))
    found = {}

    def dense(layer, *names):
        kernels, biases = (
            np.split(np.array(w), len(names), -1) for w in (layer.kernel, layer.bias)
        )
        for (kernel_name, bias_name), kernel, bias in zip(names, kernels, biases, strict=True):
            found[kernel_name], found[bias_name] = kernel, bias[None]

    def norm(layer, prefix):
        found[f"{prefix}_ln_scale"] = np.array(layer.gamma)[None]
        found[f"{prefix}_ln_bias"] = np.array(layer.beta)[None]

    def named(prefix, ends):
        return [(f"{prefix}_W{end}", f"{prefix}_b{end}") for end in ends]

    def feedforward(part, side, i):
        prefix = f"{side}_l{i + 1}_ffn"
        for end, name in (("1", "inner"), ("2", "outer")):
            dense(part[f"{side}_{i}_feedforward_{name}"], *named(prefix, end))
        norm(part[f"{side}_{i}_feedforward_norm"], f"{prefix}_ffn")

    for i in range(model.config.num_encoder_layers):
        prefix, layer = f"encoder_l{i + 1}_self", encoder[f"encoder_{i}_attention"]
        dense(layer.project, *named(prefix, "qkv"))
        dense(layer.output_projection, *named(prefix, "o"))
        norm(encoder[f"encoder_{i}_attention_norm"], f"{prefix}_Wo")
        feedforward(encoder, "encoder", i)
    for i in range(model.config.num_decoder_layers):
        if model.config.decoder_cell == "ssru":
            cell, prefix = decoder[f"decoder_{i}_recurrence"].rnn.cell, f"decoder_l{i + 1}_rnn"
            found[f"{prefix}_Wf"], found[f"{prefix}_W"] = np.split(np.array(cell.kernel), 2, 1)
            found[f"{prefix}_bf"] = np.array(cell.bias)[None]
            norm(decoder[f"decoder_{i}_self_attention_norm"], f"{prefix}_ffn")
        else:
            prefix, layer = f"decoder_l{i + 1}_self", decoder[f"decoder_{i}_self_attention"]
            dense(layer.project, *named(prefix, "qkv"))
            dense(layer.output_projection, *named(prefix, "o"))
            norm(decoder[f"decoder_{i}_self_attention_norm"], f"{prefix}_Wo")
        prefix, layer = f"decoder_l{i + 1}_context", decoder[f"decoder_{i}_cross_attention"]
        dense(encoder[f"source_keys_values_{i}"].project, *named(prefix, "kv"))
        dense(layer.project, *named(prefix, "q"))
        dense(layer.output_projection, *named(prefix, "o"))
        norm(decoder[f"decoder_{i}_cross_attention_norm"], f"{prefix}_Wo")
        feedforward(decoder, "decoder", i)
    if model.config.share_embeddings:
        found["Wemb"] = np.array(encoder["embedding"].embeddings)[source_rows]
    else:
        found["encoder_Wemb"] = np.array(encoder["source_embedding"].embeddings)[source_rows]
        found["decoder_Wemb"] = np.array(decoder["target_embedding"].embeddings)[target_rows]
    output = decoder["logits_bias" if model.config.tie_output else "logits"]
    found["decoder_ff_logit_out_b"] = np.array(output.bias)[target_rows][None]
    if not model.config.tie_output:
        found["decoder_ff_logit_out_W"] = np.array(output.kernel)[:, target_rows]
    return {name: np.ascontiguousarray(value, "float32") for name, value in found.items()}


def with_options(tensors, options):
    import yaml

    text = yaml.safe_dump(options).encode() + b"\0"
    return {**tensors, OPTIONS: np.frombuffer(text, "i1")}


def is_matrix(name):
    """Returns True for what marian-conv stores in 8 bits: kernels and tables of embeddings."""
    last = name.rsplit("_", 1)[-1]
    return name.endswith("Wemb") or (last[0] == "W" and len(last) <= 2)


def quantized(name, array):
    """Returns what an 8-bit file holds of a matrix: numbers, as they lie there, and multiplier."""
    multiplier = np.float32(127.0) / np.abs(array).max()
    numbers = np.clip(np.rint(array * multiplier), -127, 127).astype("i1")
    return numbers if name.endswith("Wemb") else numbers.T, multiplier


def write_bin(path, arrays, *, eight_bits=False):
    """Writes a model.bin; arrays of intgemm are given as float32."""
    items = []
    for name, array in sorted(arrays.items()):
        kind = INT8 if array.dtype == np.int8 else FLOAT32
        data = array.tobytes()
        if eight_bits and array.ndim == 2 and is_matrix(name):
            numbers, multiplier = quantized(name, array)
            kind, data = INTGEMM8, numbers.tobytes() + struct.pack("<f", multiplier)
        if name != OPTIONS:
            data += bytes(-len(data) % 256)
        items.append((name, kind, array.shape, data))
    written = bytearray(struct.pack("<2Q", 1, len(items)))
    for name, kind, shape, data in items:
        written += struct.pack("<4Q", len(name) + 1, kind, len(shape), len(data))
    for name, *_ in items:
        written += name.encode() + b"\0"
    for _, _, shape, _ in items:
        written += struct.pack(f"<{len(shape)}i", *shape)
    padding = ((len(written) + 8) // 256 + 1) * 256 - len(written) - 8
    written += struct.pack("<Q", padding) + bytes(padding)
    for *_, data in items:
        written += data
    path.write_bytes(bytes(written))


def write_lex(path, lists, first):
    """Writes a lex.bin: the target ids of each source id, and how many ids are always there."""
    offsets = np.cumsum([0, *map(len, lists)]).astype("<u8")
    ids = np.concatenate([np.array(one, "<u4") for one in lists])
    sizes = first, max(map(len, lists)), len(offsets), len(ids)
    body = struct.pack("<4Q", *sizes) + offsets.tobytes() + ids.tobytes()
    path.write_bytes(struct.pack("<2Q", MAGIC, hashed(body)) + body)


def marian_vocabulary(tokenizer):
    """Returns a SentencePiece model as Marian trains them, and for each of its ids the new one.

    Its ids are eos 0, unk 1, then the pieces; it has no pad and no bos.
    """
    model = SentencePieceModel.read(tokenizer.to_bytes())
    rest = model.pieces[4:]
    pieces = [Piece("</s>", 0.0, CONTROL), model.pieces[1], *rest]
    # The ids of pad and bos would be -1: a field of ten bytes.
    trainer = [f for f in model.trainer if f[0] not in (4, 40, 41, 42, 43, 45, 46, 47, 48)]
    trainer += [(4, 0, len(pieces)), (40, 0, 1), (42, 0, 0), (41, 0, 2**64 - 1), (43, 0, 2**64 - 1)]
    written = SentencePieceModel(tuple(pieces), tuple(trainer), model.others).to_bytes()
    return written, np.array([3, 1, *range(4, 4 + len(rest))])
