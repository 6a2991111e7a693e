"""The presets in PyTorch: the same sizes, the same places for dropout, as few calls as it takes."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Gru(nn.Module):
    """Preset "gru_small": a bidirectional encoder, attention after the decoder's recurrence.

    Sources are packed: without it the backward direction would start at the padding, and it was
    not faster.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        embedding_dim: int = 256,
        units: int = 512,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.encoder = nn.GRU(embedding_dim, units // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(units, units)
        self.decoder = nn.GRU(embedding_dim, units, batch_first=True)
        self.attentional = nn.Linear(2 * units, embedding_dim)
        self.dropout = nn.Dropout(dropout)
        _initialize(self)

    def forward(self, source_ids: Tensor, target_ids: Tensor) -> Tensor:
        mask = source_ids != 0
        memory, final = self._read(self.dropout(self.embedding(source_ids)), mask)
        memory = self.dropout(memory)
        start = torch.tanh(self.bridge(torch.cat([final[0], final[1]], dim=-1)))
        states, _ = self.decoder(self.dropout(self.embedding(target_ids)), start[None])
        scores = states @ memory.transpose(1, 2) / math.sqrt(states.shape[-1])
        weights = scores.masked_fill(~mask[:, None, :], -1e9).softmax(dim=-1)
        x = torch.tanh(self.attentional(torch.cat([weights @ memory, states], dim=-1)))
        return functional.linear(self.dropout(x), self.embedding.weight)

    def _read(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        lengths = mask.sum(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        memory, final = self.encoder(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(
            memory, batch_first=True, total_length=x.shape[1]
        )
        return padded, final


class Transformer(nn.Module):
    """Preset "transformer_small", normalized before each sublayer.

    By hand over `scaled_dot_product_attention`: nn.TransformerDecoderLayer drops attention weights
    too, which the preset does not, and that takes from the CPU its fused attention.
    """

    def __init__(
        self,
        vocabulary_size: int,
        *,
        units: int = 256,
        feedforward_dim: int = 1024,
        num_heads: int = 4,
        num_layers: int = 3,
        dropout: float = 0.1,
        max_length: int = 64,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, units)
        self.register_buffer("waves", _waves(max_length, units), persistent=False)
        sizes = (units, feedforward_dim, num_heads, dropout)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(num_layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(num_layers))
        self.encoder_norm = nn.LayerNorm(units)
        self.decoder_norm = nn.LayerNorm(units)
        self.dropout = nn.Dropout(dropout)
        _initialize(self)

    def forward(self, source_ids: Tensor, target_ids: Tensor) -> Tensor:
        mask = (source_ids != 0)[:, None, None, :]
        x = self._embed(source_ids)
        for layer in self.encoder:
            x = layer(x, mask)
        memory = self.encoder_norm(x)
        x = self._embed(target_ids)
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return functional.linear(self.decoder_norm(x), self.embedding.weight)

    def _embed(self, ids: Tensor) -> Tensor:
        scale = math.sqrt(self.embedding.embedding_dim)
        return self.dropout(self.embedding(ids) * scale + self.waves[: ids.shape[1]])


class EncoderLayer(nn.Module):
    """Self-attention over the real source positions, then feed-forward."""

    def __init__(self, units: int, feedforward_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(units)
        self.attention = SelfAttention(units, num_heads)
        self.feedforward_norm = nn.LayerNorm(units)
        self.feedforward = _feedforward(units, feedforward_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), mask))
        return x + self.dropout(self.feedforward(self.feedforward_norm(x)))


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the memory, then feed-forward."""

    def __init__(self, units: int, feedforward_dim: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(units)
        self.attention = SelfAttention(units, num_heads)
        self.cross_norm = nn.LayerNorm(units)
        self.cross = CrossAttention(units, num_heads)
        self.feedforward_norm = nn.LayerNorm(units)
        self.feedforward = _feedforward(units, feedforward_dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x), None))
        x = x + self.dropout(self.cross(self.cross_norm(x), memory, mask))
        return x + self.dropout(self.feedforward(self.feedforward_norm(x)))


class SelfAttention(nn.Module):
    """Every position reads those of `mask`; without one, itself and those before it."""

    def __init__(self, units: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.project = nn.Linear(units, 3 * units)
        self.output = nn.Linear(units, units)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, keys, values = _heads(self.project(x), 3, self.num_heads)
        return self.output(_attend(query, keys, values, mask))


class CrossAttention(nn.Module):
    """Every target position reads every real source position."""

    def __init__(self, units: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(units, units)
        self.key_value = nn.Linear(units, 2 * units)
        self.output = nn.Linear(units, units)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        (query,) = _heads(self.query(x), 1, self.num_heads)
        keys, values = _heads(self.key_value(memory), 2, self.num_heads)
        return self.output(_attend(query, keys, values, mask))


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """Returns what the heads read, float, (batch, length, units); without a mask, causal."""
    read = functional.scaled_dot_product_attention(
        query, keys, values, attn_mask=mask, is_causal=mask is None
    )
    return read.transpose(1, 2).flatten(2)


def _heads(values: Tensor, parts: int, num_heads: int) -> tuple[Tensor, ...]:
    """Returns `parts` tensors of shape (batch, heads, length, head size)."""
    batch, length, _ = values.shape
    return values.view(batch, length, parts, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def _feedforward(units: int, feedforward_dim: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(units, feedforward_dim), nn.ReLU(), nn.Linear(feedforward_dim, units)
    )


def _initialize(model: nn.Module) -> None:
    """Draws the weights as Keras does, so that both losses fall from the same height."""
    for name, parameter in model.named_parameters():
        if name.startswith("embedding"):
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
        elif "weight_hh" in name:
            nn.init.orthogonal_(parameter)
        elif parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
        elif "bias" in name:
            nn.init.zeros_(parameter)


def _waves(max_length: int, size: int) -> Tensor:
    """Returns sinusoidal positions, float32, shape (max_length, size)."""
    rates = torch.exp(torch.arange(size // 2) * (-2.0 / size * math.log(10_000)))
    angles = torch.arange(max_length)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
