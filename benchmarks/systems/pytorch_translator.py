"""A plain greedy loop in PyTorch over the weights of one of our Transformers, with caches."""

import math
import pathlib

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

BOS_ID, EOS_ID, PAD_ID = 2, 3, 0


class PyTorchTranslator:
    """Translates by a post-norm Transformer with tied embeddings and ReLU.

    Args:
        path: .npz file with the weights by their Keras path, `positions` (length, size) and
            `num_heads`.
        max_length: int > 0. Longest translation in tokens.
    """

    def __init__(self, path: pathlib.Path, max_length: int) -> None:
        with np.load(path) as arrays:
            self.weights = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        self.num_heads = int(self.weights["num_heads"])
        self.max_length = max_length
        self.table = self.weights["embedding/embeddings"]
        names = self.weights
        self.encoder_layers = sum(f"encoder_{i}_attention_norm/beta" in names for i in range(99))
        self.decoder_layers = sum(
            f"source_keys_values_{i}/key_value/bias" in names for i in range(99)
        )

    @torch.inference_mode()
    def translate(self, batch: list[list[int]]) -> list[list[int]]:
        """Returns the target ids of each row without eos."""
        longest = max(map(len, batch))
        ids = torch.tensor([row + [PAD_ID] * (longest - len(row)) for row in batch])
        mask = (ids != PAD_ID)[:, None, None, :]
        memory = self._encode(ids, mask)
        cross = [
            self._heads(f"source_keys_values_{i}/key_value", memory, 2)
            for i in range(self.decoder_layers)
        ]
        caches: list[list[Tensor]] = [[] for _ in range(self.decoder_layers)]
        last = torch.full((len(batch), 1), BOS_ID)
        ended = torch.zeros(len(batch), dtype=torch.bool)
        found = []
        for position in range(self.max_length):
            logits = self._step(last, position, caches, cross, mask)
            logits[:, [PAD_ID, BOS_ID]] = -math.inf
            chosen = logits.argmax(-1).masked_fill(ended, PAD_ID)
            found.append(chosen)
            ended |= chosen == EOS_ID
            if ended.all():
                break
            last = chosen[:, None]
        rows = torch.stack(found, 1).tolist()
        return [[i for i in row if i not in (PAD_ID, EOS_ID)] for row in rows]

    def _encode(self, ids: Tensor, mask: Tensor) -> Tensor:
        x = self._embed(ids, 0)
        for i in range(self.encoder_layers):
            name = f"encoder_{i}"
            query, keys, values = self._heads(f"{name}_attention/query_key_value", x, 3)
            read = _attend(query, keys, values, mask)
            x = self._norm(
                f"{name}_attention_norm", x + self._dense(f"{name}_attention/output", read)
            )
            x = self._feedforward(name, x)
        return x

    def _step(
        self,
        last: Tensor,
        position: int,
        caches: list[list[Tensor]],
        cross: list[tuple[Tensor, ...]],
        mask: Tensor,
    ) -> Tensor:
        x = self._embed(last, position)
        for i, cache in enumerate(caches):
            name = f"decoder_{i}"
            query, *new = self._heads(f"{name}_self_attention/query_key_value", x, 3)
            if cache:
                new = [torch.cat(both, 2) for both in zip(cache, new, strict=True)]
            cache[:] = new
            read = _attend(query, *cache, None)
            attended = self._dense(f"{name}_self_attention/output", read)
            x = self._norm(f"{name}_self_attention_norm", x + attended)
            (query,) = self._heads(f"{name}_cross_attention/query", x, 1)
            attended = self._dense(
                f"{name}_cross_attention/output", _attend(query, *cross[i], mask)
            )
            x = self._norm(f"{name}_cross_attention_norm", x + attended)
            x = self._feedforward(name, x)
        return functional.linear(x[:, 0], self.table)

    def _embed(self, ids: Tensor, start: int) -> Tensor:
        size = self.table.shape[1]
        waves = self.weights["positions"][start : start + ids.shape[1]]
        return functional.embedding(ids, self.table) * math.sqrt(size) + waves

    def _dense(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}/kernel"] + self.weights[f"{name}/bias"]

    def _norm(self, name: str, x: Tensor) -> Tensor:
        gamma, beta = self.weights[f"{name}/gamma"], self.weights[f"{name}/beta"]
        return functional.layer_norm(x, x.shape[-1:], gamma, beta, 1e-5)

    def _feedforward(self, name: str, x: Tensor) -> Tensor:
        inner = self._dense(f"{name}_feedforward_inner", x).relu()
        outer = self._dense(f"{name}_feedforward_outer", inner)
        return self._norm(f"{name}_feedforward_norm", x + outer)

    def _heads(self, name: str, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        values = self._dense(name, x)
        shape = (*values.shape[:2], parts, self.num_heads, -1)
        return values.view(shape).permute(2, 0, 3, 1, 4).unbind(0)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    read = functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask)
    return read.transpose(1, 2).flatten(2)
