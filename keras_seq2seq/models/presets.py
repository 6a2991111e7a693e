"""Architectures by name: what `Seq2SeqConfig.from_preset` fills in."""

from typing import Any

_SHARED = {"share_embeddings": True, "tie_output": True}
_RECURRENT = {"embedding_dim": 256, "units": 512, "dropout": 0.3, **_SHARED}
_TINY = {
    "embedding_dim": 128,
    "units": 128,
    "feedforward_dim": 256,
    "num_heads": 4,
    "num_encoder_layers": 4,
    "normalization": "post",
    "dropout": 0.3,
    **_SHARED,
}
_TRANSFORMER = {"encoder": "transformer", "decoder": "transformer"}
# Kim et al. 2019: a deep encoder, and a shallow decoder without self-attention.
_STUDENT = {
    **_TRANSFORMER,
    "decoder_cell": "ssru",
    "num_heads": 8,
    "num_encoder_layers": 6,
    "num_decoder_layers": 2,
    "normalization": "post",
    "output_bias": True,
    "dropout": 0.1,
    **_SHARED,
}

PRESETS: dict[str, dict[str, Any]] = {
    "gru_small": {"cell": "gru", **_RECURRENT},
    "lstm_small": {"cell": "lstm", **_RECURRENT},
    "transformer_tiny": {**_TRANSFORMER, **_TINY, "num_decoder_layers": 4},
    "transformer_small": {
        **_TRANSFORMER,
        "embedding_dim": 256,
        "units": 256,
        "feedforward_dim": 1024,
        "num_heads": 4,
        "num_encoder_layers": 3,
        "num_decoder_layers": 3,
        "dropout": 0.1,
        **_SHARED,
    },
    "transformer_base": {
        **_TRANSFORMER,
        "embedding_dim": 512,
        "units": 512,
        "feedforward_dim": 2048,
        "num_heads": 8,
        "num_encoder_layers": 6,
        "num_decoder_layers": 6,
        "dropout": 0.1,
        **_SHARED,
    },
    # Vaswani et al. 2017, table 3.
    "transformer_big": {
        **_TRANSFORMER,
        "embedding_dim": 1024,
        "units": 1024,
        "feedforward_dim": 4096,
        "num_heads": 16,
        "num_encoder_layers": 6,
        "num_decoder_layers": 6,
        "dropout": 0.3,
        **_SHARED,
    },
    "student_tiny": {**_STUDENT, "embedding_dim": 256, "units": 256, "feedforward_dim": 1536},
    "student_base": {**_STUDENT, "embedding_dim": 512, "units": 512, "feedforward_dim": 2048},
    "hybrid_tiny": {"encoder": "transformer", "decoder": "recurrent", "cell": "gru", **_TINY},
}
