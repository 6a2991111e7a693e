"""Writes one of our Transformers as a folder of Hugging Face Marian, without torch.

Usage: python benchmarks/systems/marian_folder.py RUN FOLDER
"""

import json
import pathlib
import struct
import sys
from typing import Any

import numpy as np

from keras_seq2seq import Seq2Seq, load_model
from keras_seq2seq.text.vocabulary import BOS_ID, EOS_ID, PAD_ID, UNK_ID


def main() -> None:
    run, folder = map(pathlib.Path, sys.argv[1:])
    write_marian(load_model(run / "model.keras", compile=False), folder)


def write_marian(model: Seq2Seq, folder: pathlib.Path) -> None:
    """Writes config.json, the weights, both SentencePiece models, and the table of tokens.

    Args:
        model: A Transformer with joint tokenizers, post-norm, one table for both sides and the
            output, and sinusoidal positions.
        folder: Where to write; made if missing.
    """
    config, tokenizers = model.config, model.tokenizers
    wanted = {
        **{"encoder": "transformer", "decoder": "transformer", "decoder_cell": ""},
        **{"normalization": "post", "positions": "sinusoidal", "norm_epsilon": 1e-5},
        **{"share_embeddings": True, "tie_output": True},
    }
    if wrong := [name for name, value in wanted.items() if getattr(config, name) != value]:
        raise ValueError(f"Marian's models in Transformers have no other {', '.join(wrong)}.")
    if not tokenizers.joint:
        raise ValueError("The tokenizers must be joint. Received: one for each side.")
    folder.mkdir(parents=True, exist_ok=True)
    for side in ("source", "target"):
        (folder / f"{side}.spm").write_bytes(tokenizers.source.to_bytes())
    pieces = tokenizers.source.pieces(range(config.source_vocabulary_size))
    special = {"pad_token": PAD_ID, "unk_token": UNK_ID, "eos_token": EOS_ID}
    tables = {
        "config": _config(config),
        "generation_config": {
            **{"num_beams": 1, "max_length": config.max_length + 1},
            **{"bad_words_ids": [[PAD_ID], [BOS_ID]], "decoder_start_token_id": BOS_ID},
            **{"eos_token_id": EOS_ID, "pad_token_id": PAD_ID},
        },
        "tokenizer_config": {
            **{name: pieces[i] for name, i in special.items()},
            "separate_vocabs": False,
        },
        "vocab": {piece: i for i, piece in enumerate(pieces)},
    }
    for name, table in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(table, ensure_ascii=False), "utf-8")
    _write_safetensors(folder / "model.safetensors", _tensors(model))


def _config(config: Any) -> dict[str, Any]:
    names = {"gelu": "gelu_new", "gelu_exact": "gelu", "silu": "swish"}
    found = {
        **{"model_type": "marian", "architectures": ["MarianMTModel"], "d_model": config.units},
        **{"activation_function": names.get(config.activation, config.activation)},
        **{"scale_embedding": config.scale_embeddings, "is_encoder_decoder": True},
        **{"vocab_size": config.source_vocabulary_size, "max_position_embeddings": 512},
        **{"pad_token_id": PAD_ID, "eos_token_id": EOS_ID, "bos_token_id": BOS_ID},
        **{"decoder_start_token_id": BOS_ID, "dropout": config.dropout},
        **{"attention_dropout": config.attention_dropout},
        **{"activation_dropout": config.activation_dropout},
    }
    for side in ("encoder", "decoder"):
        found[f"{side}_layers"] = getattr(config, f"num_{side}_layers")
        found[f"{side}_attention_heads"] = config.num_heads
        found[f"{side}_ffn_dim"] = config.feedforward_dim
    return found


def _tensors(model: Seq2Seq) -> dict[str, np.ndarray]:
    """Returns the weights under the names of Transformers."""
    config = model.config
    mine = {weight.path: np.asarray(weight) for weight in model.weights}
    found = {"model.shared.weight": mine["embedding/embeddings"]}
    bias = mine.get("logits_bias/bias", np.zeros(config.target_vocabulary_size, "float32"))
    found["final_logits_bias"] = bias[None]

    def dense(layer: str, key: str, *names: str) -> None:
        for end, axis in (("kernel", 1), ("bias", 0)):
            parts = np.split(mine[f"{layer}/{end}"], len(names), axis)
            for name, part in zip(names, parts, strict=True):
                found[f"{key}{name}.{'weight' if axis else 'bias'}"] = part.T

    def norm(layer: str, key: str) -> None:
        found[f"{key}.weight"], found[f"{key}.bias"] = mine[f"{layer}/gamma"], mine[f"{layer}/beta"]

    for side in ("encoder", "decoder"):
        for i in range(getattr(config, f"num_{side}_layers")):
            key = f"model.{side}.layers.{i}."
            attention = f"{side}_{i}_{'self_' if side == 'decoder' else ''}attention"
            dense(f"{attention}/query_key_value", f"{key}self_attn.", "q_proj", "k_proj", "v_proj")
            dense(f"{attention}/output", f"{key}self_attn.", "out_proj")
            norm(f"{attention}_norm", f"{key}self_attn_layer_norm")
            if side == "decoder":
                cross = f"decoder_{i}_cross_attention"
                dense(f"{cross}/query", f"{key}encoder_attn.", "q_proj")
                source = f"source_keys_values_{i}/key_value"
                dense(source, f"{key}encoder_attn.", "k_proj", "v_proj")
                dense(f"{cross}/output", f"{key}encoder_attn.", "out_proj")
                norm(f"{cross}_norm", f"{key}encoder_attn_layer_norm")
            dense(f"{side}_{i}_feedforward_inner", key, "fc1")
            dense(f"{side}_{i}_feedforward_outer", key, "fc2")
            norm(f"{side}_{i}_feedforward_norm", f"{key}final_layer_norm")
    return found


def _write_safetensors(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, array in arrays.items():
        place = [end, end + 4 * array.size]
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": place}
        end = place[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array, "<f4").tobytes())


if __name__ == "__main__":
    main()
