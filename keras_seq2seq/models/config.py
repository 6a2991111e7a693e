"""The description of a model: a frozen dataclass that reports all its errors at once."""

import dataclasses
import typing
from collections.abc import Container
from typing import Any

from keras_seq2seq.models.presets import PRESETS
from keras_seq2seq.text.vocabulary import MAX_VOCABULARY_SIZE

PARTS = ("recurrent", "transformer")
# Names of recurrent cells, each with the number of its states; `decoder_cells` has their layers.
CELLS = {"simple_rnn": 1, "gru": 1, "lstm": 2}
DECODER_CELLS = {**CELLS, "ssru": 1}
CONTEXTS = ("last", "mean", "max", "attention")
CONTEXT_USES = ("initial_state", "every_step")
ATTENTIONS = ("dot", "general", "scaled", "additive")
BRIDGES = ("copy", "dense", "zero")
NORMALIZATIONS = ("pre", "post")
ACTIVATIONS = ("relu", "gelu", "gelu_exact", "swish", "silu", "swiglu")
POSITIONS = ("sinusoidal", "marian", "learned")

MAX_UNITS = 16_384
MAX_LAYERS = 64
MAX_HEADS = 1024
MAX_LENGTH = 65_536
MAX_NORM_EPSILON = 0.1


@dataclasses.dataclass(frozen=True)
class Seq2SeqConfig:
    """Describes an encoder and a decoder, each recurrent or a Transformer.

    Every size is bounded, so that a configuration read from a file cannot take all memory.

    Args:
        source_vocabulary_size: int, 4 to 1,000,000. Source ids are below it.
        target_vocabulary_size: int, 4 to 1,000,000. Target ids are below it.
        encoder: "recurrent" or "transformer" (Vaswani et al. 2017).
        decoder: "recurrent" or "transformer"; any encoder works with any decoder.
        cell: Cell of the recurrent parts: "simple_rnn" (Elman 1990), "gru" (Cho et al. 2014) or
            "lstm" (Hochreiter and Schmidhuber 1997).
        decoder_cell: Cell of a recurrent decoder, if it differs from `cell`: one of the above, or
            "ssru" (Kim et al. 2019), whose matrix products do not wait for the previous state; ""
            means `cell`. A Transformer decoder attends to itself with "", and with "ssru" has that
            recurrence in the place of its self-attention: one state a layer instead of caches.
        embedding_dim: int, 1 to 16,384. Size of a token's vector; equals `units` with a
            Transformer.
        units: int, 1 to 16,384. Size of a decoder state and of one memory position; each
            direction of a bidirectional encoder has half of it.
        num_encoder_layers: int, 1 to 64.
        num_decoder_layers: int, 1 to 64.
        bidirectional: Read the source in both directions (Schuster and Paliwal 1997).
        residual: Add each recurrent layer's input to its output from the second layer on
            (Wu et al. 2016, section 3.1).
        dropout: float, 0 <= dropout < 1. Share of embedding and layer outputs dropped in fit.
        share_embeddings: One embedding for source and target; needs a joint vocabulary.
        tie_output: Use the target embedding as output layer (Press and Wolf 2017).
        output_bias: Add a bias to the logits of a tied output; another output layer always has one.
        context: c = q(h_1..h_S): "last", "mean", "max", or "attention" (new at every step).
        context_use: Where a fixed context enters: "initial_state" (Sutskever et al. 2014) or
            "every_step" (Cho et al. 2014), joined to every decoder input.
        attention: "dot", "general" (Luong et al. 2015), "scaled" (dot over the square root of
            the size), or "additive" (Bahdanau et al. 2015).
        input_feeding: Feed the attentional vector into the next step (Luong et al. 2015, 3.3).
        bridge: From encoder state to decoder state: "copy", "dense" (tanh) or "zero".
        max_length: int, 1 to 65,536. Longest translation in tokens, end of sentence included;
            the size of a Transformer decoder's caches.
        num_heads: int, 1 to 1,024. Attention heads of a Transformer; they divide `units`.
        feedforward_dim: int, 1 to 16,384. Inner size of a Transformer's feed-forward layers.
        normalization: "pre" (before each sublayer, Xiong et al. 2020) or "post" (Vaswani et al.
            2017).
        activation: Of the feed-forward layers: "relu"; "gelu" in its tanh form, or "gelu_exact"
            (Hendrycks and Gimpel 2016); "swish" or "silu", two names of one (Ramachandran et al.
            2017); "swiglu" (Shazeer 2020).
        positions: "sinusoidal"; "marian", sinusoidal at the rates of the Marian toolkit; or
            "learned" (`max_length` of them).
        scale_embeddings: Multiply a Transformer's embeddings by the square root of their size
            before positions are added.
        norm_epsilon: float, 0 < norm_epsilon <= 0.1. What a Transformer's normalizations add to a
            variance.
        attention_dropout: float, 0 <= attention_dropout < 1. Share of a Transformer's attention
            weights dropped in fit.
        activation_dropout: float, 0 <= activation_dropout < 1. Share of the inner values of its
            feed-forward layers dropped in fit.

    Raises:
        ValueError: If values are invalid; lists every error, one per line.
    """

    source_vocabulary_size: int
    target_vocabulary_size: int
    encoder: str = "recurrent"
    decoder: str = "recurrent"
    cell: str = "gru"
    decoder_cell: str = ""
    embedding_dim: int = 256
    units: int = 512
    num_encoder_layers: int = 1
    num_decoder_layers: int = 1
    bidirectional: bool = True
    residual: bool = False
    dropout: float = 0.2
    share_embeddings: bool = False
    tie_output: bool = False
    context: str = "attention"
    context_use: str = "initial_state"
    attention: str = "scaled"
    input_feeding: bool = False
    bridge: str = "dense"
    max_length: int = 64
    num_heads: int = 4
    feedforward_dim: int = 1024
    normalization: str = "pre"
    activation: str = "relu"
    positions: str = "sinusoidal"
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    output_bias: bool = False
    scale_embeddings: bool = True
    norm_epsilon: float = 1e-5

    def __post_init__(self) -> None:
        mistyped = _type_faults(self)
        faults = list(mistyped.values())
        faults += _range_faults(self, mistyped) + _choice_faults(self, mistyped)
        if not mistyped:
            faults += _joint_faults(self)
        if faults:
            raise ValueError("Seq2SeqConfig:\n- " + "\n- ".join(faults))

    @property
    def states_per_layer(self) -> int:
        """Number of states of one layer of a recurrent decoder: 2 for an LSTM, else 1."""
        return DECODER_CELLS[self.decoder_cell or self.cell]

    @property
    def output_dim(self) -> int:
        """Size of the vector the output layer reads."""
        return self.embedding_dim if self.tie_output else self.units

    @property
    def longest_target(self) -> int | None:
        """Longest target in tokens, end of sentence included; None means no limit."""
        return self.max_length if self.decoder == "transformer" else None

    @property
    def longest_source(self) -> int | None:
        """Longest source in tokens, end of sentence included; None means no limit."""
        return self._learned_positions(self.encoder)

    @property
    def longest_scored(self) -> int | None:
        """Longest given target that can be scored, in tokens, eos included; None means no limit."""
        return self._learned_positions(self.decoder)

    def _learned_positions(self, part: str) -> int | None:
        learned = part == "transformer" and self.positions == "learned"
        return self.max_length if learned else None

    @classmethod
    def from_preset(
        cls, name: str, source_vocabulary_size: int, target_vocabulary_size: int, **options: Any
    ) -> "Seq2SeqConfig":
        """Returns the configuration of a named architecture.

        Args:
            name: "gru_small", "lstm_small", "transformer_tiny", "transformer_small",
                "transformer_base", "transformer_big" (Vaswani et al. 2017, table 3),
                "student_tiny", "student_base" or "hybrid_tiny"; all with one embedding for both
                sides and the output.
            source_vocabulary_size, target_vocabulary_size: Equal, unless `options` has
                share_embeddings=False.
            **options: Fields that override the preset.
        Raises:
            ValueError: If there is no such preset, or an option is out of its range.
        Example:
            >>> Seq2SeqConfig.from_preset("transformer_tiny", 8000, 8000, dropout=0.1).units
            128
        """
        if name not in PRESETS:
            raise ValueError(f"A preset must be one of {tuple(PRESETS)}. Received: {name!r}.")
        values = {**PRESETS[name], **options}
        return cls.from_dict(
            {
                "source_vocabulary_size": source_vocabulary_size,
                "target_vocabulary_size": target_vocabulary_size,
                **values,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Seq2SeqConfig":
        """Reads what `to_dict` wrote.

        Raises:
            ValueError: If a key is unknown or missing, or a value is out of its range.
        """
        fields = {field.name: field for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(fields))
        needed = {n for n, field in fields.items() if field.default is dataclasses.MISSING}
        missing = sorted(needed - set(values))
        if unknown or missing:
            raise ValueError(
                f"Seq2SeqConfig takes the keys {sorted(fields)}. "
                f"Received: unknown {unknown}, missing {missing}."
            )
        return cls(**values)


def _type_faults(config: Seq2SeqConfig) -> dict[str, str]:
    """Returns the errors of values of a wrong type, by name; other checks skip these values."""
    return {
        name: f"`{name}` must be of type {wanted.__name__}. Received: {getattr(config, name)!r}."
        for name, wanted in typing.get_type_hints(Seq2SeqConfig).items()
        if not _fits(getattr(config, name), wanted)
    }


def _fits(value: Any, wanted: type) -> bool:
    if isinstance(value, bool):
        return wanted is bool
    return isinstance(value, (int, float) if wanted is float else wanted)


def _range_faults(config: Seq2SeqConfig, mistyped: Container[str]) -> list[str]:
    ranges = {
        "source_vocabulary_size": (4, MAX_VOCABULARY_SIZE),
        "target_vocabulary_size": (4, MAX_VOCABULARY_SIZE),
        "embedding_dim": (1, MAX_UNITS),
        "units": (1, MAX_UNITS),
        "num_encoder_layers": (1, MAX_LAYERS),
        "num_decoder_layers": (1, MAX_LAYERS),
        "num_heads": (1, MAX_HEADS),
        "feedforward_dim": (1, MAX_UNITS),
        "max_length": (1, MAX_LENGTH),
    }
    faults = [
        f"`{name}` must be {low} to {high:,}. Received: {getattr(config, name)}."
        for name, (low, high) in ranges.items()
        if name not in mistyped and not low <= getattr(config, name) <= high
    ]
    if "norm_epsilon" not in mistyped and not 0 < config.norm_epsilon <= MAX_NORM_EPSILON:
        faults.append(
            f"`norm_epsilon` must be above 0 and at most {MAX_NORM_EPSILON}. "
            f"Received: {config.norm_epsilon}."
        )
    return faults + [
        f"`{name}` must be at least 0 and below 1. Received: {getattr(config, name)}."
        for name in ("dropout", "attention_dropout", "activation_dropout")
        if name not in mistyped and not 0 <= getattr(config, name) < 1
    ]


def _choice_faults(config: Seq2SeqConfig, mistyped: Container[str]) -> list[str]:
    choices = {
        "encoder": PARTS,
        "decoder": PARTS,
        "cell": tuple(CELLS),
        "decoder_cell": ("", *DECODER_CELLS),
        "context": CONTEXTS,
        "context_use": CONTEXT_USES,
        "attention": ATTENTIONS,
        "bridge": BRIDGES,
        "normalization": NORMALIZATIONS,
        "activation": ACTIVATIONS,
        "positions": POSITIONS,
    }
    return [
        f"`{name}` must be one of {accepted}. Received: {getattr(config, name)!r}."
        for name, accepted in choices.items()
        if name not in mistyped and getattr(config, name) not in accepted
    ]


def _joint_faults(config: Seq2SeqConfig) -> list[str]:
    faults = _transformer_faults(config)
    if config.cell == "ssru":
        faults.append("cell='ssru' is for a decoder only; use decoder_cell='ssru'.")
    if config.encoder == "recurrent" and config.bidirectional and config.units % 2:
        faults.append(
            f"`units` must be even with `bidirectional`: half for each direction. "
            f"Received: {config.units}."
        )
    if config.share_embeddings and config.source_vocabulary_size != config.target_vocabulary_size:
        faults.append(
            "`share_embeddings` needs equal vocabulary sizes; train a joint tokenizer. Received: "
            f"{config.source_vocabulary_size} and {config.target_vocabulary_size}."
        )
    if config.output_bias and not config.tie_output:
        faults.append(
            "`output_bias` is of a tied output, and any other has a bias; set tie_output=True or "
            "leave `output_bias` out."
        )
    if config.context == "attention" and config.context_use == "every_step":
        faults.append(
            "`context_use` must be 'initial_state' with context='attention', which is new at "
            "every step; use input_feeding=True to join it to the inputs."
        )
    if config.context != "attention" and config.input_feeding:
        faults.append(f"`input_feeding` needs context='attention'. Received: {config.context!r}.")
    fixed_at_start = config.context != "attention" and config.context_use == "initial_state"
    if fixed_at_start and config.bridge == "zero":
        faults.append(
            "bridge='zero' with a fixed context as initial state loses the source; "
            "use 'copy' or 'dense', or context_use='every_step'."
        )
    layered = config.context in ("last", "attention") and config.bridge == "copy"
    layered = layered and (config.encoder, config.decoder) == ("recurrent", "recurrent")
    if layered and config.num_encoder_layers != config.num_decoder_layers:
        faults.append(
            "bridge='copy' needs as many decoder layers as encoder layers; use 'dense'. Received: "
            f"{config.num_encoder_layers} and {config.num_decoder_layers}."
        )
    return faults


def _transformer_faults(config: Seq2SeqConfig) -> list[str]:
    if "transformer" not in (config.encoder, config.decoder):
        return []
    faults = []
    if config.num_heads > 0 and config.units % config.num_heads:
        faults.append(
            "`num_heads` must divide `units`. "
            f"Received: {config.num_heads} heads of {config.units} units."
        )
    if config.embedding_dim != config.units:
        faults.append(
            "`embedding_dim` must equal `units` with a Transformer. "
            f"Received: {config.embedding_dim} and {config.units}."
        )
    if config.decoder == "transformer" and (config.context != "attention" or config.input_feeding):
        faults.append(
            "A Transformer decoder needs context='attention' and input_feeding=False. "
            f"Received: {config.context!r} and {config.input_feeding}."
        )
    if config.decoder == "transformer" and config.decoder_cell not in ("", "ssru"):
        faults.append(
            "`decoder_cell` of a Transformer decoder must be 'ssru', in the place of its "
            f"self-attention, or empty. Received: {config.decoder_cell!r}."
        )
    if config.encoder == "transformer" and config.context == "last":
        faults.append(
            "A Transformer encoder has no last state; use context='attention', 'mean' or 'max'."
        )
    return faults
