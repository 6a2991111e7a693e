"""The sections of a recipe, with the defaults and the choices of each key."""

import dataclasses
from typing import Any

from keras_seq2seq.text.reservoir import MAX_SENTENCES
from keras_seq2seq.text.tokenizer_training import LEVELS, NORMALIZATIONS
from keras_seq2seq.training.cleaning_rules import RULES

FORMATS = ("phrasebook", "parallel", "tsv", "jsonl", "parquet", "dataset")
# These may be folders; "parquet" also a pattern.
FOLDER_FORMATS = ("parquet", "dataset")
MAX_WEIGHT = 1000
POLICIES = ("refuse", "drop")
SCHEDULES = ("constant", "cosine", "inverse_sqrt")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
TOKENIZATIONS = ("13a", "none", "intl", "char", "zh")
DISTRIBUTIONS = ("auto", "none", "data", "model")
METRICS = {"bleu": "max", "chrf": "max", "exact_match": "max", "loss": "min"}


def _one_of(default: str, choices: tuple[str, ...]) -> Any:
    """Returns a field that must be one of some names."""
    return dataclasses.field(default=default, metadata={"choices": choices})


def _between(default: float, low: float, high: float) -> Any:
    """Returns a field that must be a number within a range, both ends included."""
    return dataclasses.field(default=default, metadata={"range": (low, high)})


def _from_zero(default: float) -> Any:
    """Returns a field that must be finite and at least 0; a number without this is above 0."""
    return dataclasses.field(default=default, metadata={"zero": True})


@dataclasses.dataclass(frozen=True)
class DataRecipe:
    """Where the sentence pairs are.

    Args:
        format: "phrasebook" (embedded), "parallel" (a source and a target file), "tsv" (one
            file, two columns), "jsonl" (one file, two fields), "parquet" (one file, a folder of
            files, or a pattern, two columns) or "dataset" (a folder that `save_to_disk` of Hugging
            Face's datasets wrote).
        folder: Folder that file names are relative to. `$NAME` is read from the environment.
        train: File names of the training part: two for "parallel", else one; those of several
            corpora one after the other.
        validation: The same, of one corpus, for the part that chooses the best epoch; empty: 1,000
            training pairs, an even spread, are held out.
        test: The same for the part that is reported at the end; empty: no test.
        columns: Source and target column, for "tsv": two names of the first row, or two numbers
            counted from 0, such as ["1", "3"]; empty: the first two, if both hold texts.
        source_field: Field name, for "jsonl", or column, for "parquet" and "dataset".
        target_field: The same of the target.
        languages: Codes of the source and of the target language, such as ["en", "fr"], which
            `export` writes into the manifest; empty: unknown, "en" and "fr" for the phrasebook.
        policy: "refuse" a corpus with errors, or "drop" its faulty pairs.
        seed: int >= 0. Seed of the phrasebook, and of the sample of `tokenizer.max_sentences`.
        size: int > 0. Number of pairs of the phrasebook.
        clean: Rules of `keras-seq2seq clean` that leave out training pairs, each corpus for itself,
            with their default limits; empty: none.
        weights: For each corpus of the training part, how often an epoch has each of its pairs,
            each above 0 and at most 1,000: 3 repeats them, 0.5 takes every second one; empty: once.
        prepared: Folder that `keras-seq2seq prepare` writes and `train` reads instead of the texts,
            for corpora larger than memory; `$NAME` as above. Empty: the texts are read.
    """

    format: str = _one_of("phrasebook", FORMATS)
    folder: str = "."
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    source_field: str = "source"
    target_field: str = "target"
    policy: str = _one_of("refuse", POLICIES)
    seed: int = _from_zero(0)
    size: int = 60_000
    clean: tuple[str, ...] = dataclasses.field(default=(), metadata={"some_of": tuple(RULES)})
    weights: tuple[float, ...] = ()
    prepared: str = ""

    @property
    def files_per_corpus(self) -> int:
        """Number of files that make one corpus."""
        return 2 if self.format == "parallel" else 1


@dataclasses.dataclass(frozen=True)
class TokenizerRecipe:
    """How text becomes ids.

    Args:
        joint: One model for both sides.
        vocabulary_size: int >= 0. Size of the joint or the source model; 0 takes every character or
            word.
        target_vocabulary_size: int >= 0. Size of the target model; 0 as above.
        source_level: "subword", "character" or "word".
        target_level: The same for the target; ignored with `joint`.
        normalization: What becomes of a text before it is split: "nmt_nfkc", "nfkc",
            "nmt_nfkc_cf", "nfkc_cf" or "identity", see `Tokenizer.train`.
        sampling_alpha: float, 0 <= sampling_alpha <= 1. Subword sampling in training; 0 is off.
        max_sentences: int > 0. Most texts that a tokenizer is trained on: a sample of more.
    """

    joint: bool = True
    vocabulary_size: int = _from_zero(8000)
    target_vocabulary_size: int = _from_zero(0)
    source_level: str = _one_of("subword", LEVELS)
    target_level: str = _one_of("subword", LEVELS)
    normalization: str = _one_of("nmt_nfkc", NORMALIZATIONS)
    sampling_alpha: float = _between(0.0, 0, 1)
    max_sentences: int = MAX_SENTENCES


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """How the model is trained.

    Args:
        epochs: int > 0. Largest number of passes over the data.
        seed: int >= 0. Seed of weights, order and dropout.
        tokens_per_batch: int > 0. Most positions in a batch, padding included.
        num_shapes: int > 0. Largest number of different batch shapes.
        learning_rate: float > 0. Peak learning rate of Adam.
        schedule: "constant", "cosine" (falls to 0 at the last step) or "inverse_sqrt" (falls with
            the square root of the step).
        warmup_steps: int >= 0. Steps in which the learning rate rises from 0 to its peak.
        beta_1: float, 0 <= beta_1 <= 0.999. Of Adam.
        beta_2: float, 0 <= beta_2 <= 0.9999. Of Adam.
        epsilon: float > 0. Of Adam.
        clip_norm: float > 0. Gradients are clipped at this global norm.
        label_smoothing: float, 0 <= label_smoothing <= 0.999.
        metric: What chooses the best epoch: "bleu", "chrf" or "exact_match" of real
            translations, or "loss" on the validation part.
        evaluate_every: int > 0. Epochs between two evaluations by translation.
        evaluate_size: int > 0. Most validation pairs that an evaluation translates.
        bleu_tokenize: How BLEU splits words: "13a", or "none" for tokenised texts.
        average_last: int >= 0. Number of last epochs whose weights are averaged to the model of the
            run; 0 takes the best epoch as it is.
        average_best: int >= 0. The same for the best epochs; only one of the two may be set.
        ema_momentum: float, 0 <= ema_momentum <= 0.99999. Momentum of the moving average of the
            weights; each epoch is evaluated and saved with the average; 0 is off.
        weight_decay: float >= 0. Weight decay of AdamW, which then replaces Adam; 0 is off.
        accumulation_steps: int > 0. Number of batches whose gradients make one update.
        r_drop: float >= 0. Weight of the divergence between two passes with different dropout; each
            batch then holds every pair twice (Liang et al. 2021); 0 is off.
        precision: "float32", or "mixed_bfloat16" or "mixed_float16": what layers compute in, with
            float32 weights.
        save_every: int > 0. Steps between two saved states; a killed run resumes from the last.
        test_beam_size: int > 0. Beam size of a second result on the test part; 1 is greedy only.
        patience: int >= 0. Evaluations without improvement before training stops; 0 never stops.
        loss_positions: int >= 0. Target positions whose logits are computed at once, for large
            vocabularies, on JAX (`Seq2Seq.chunk_loss`); 0 computes all.
        jit_compile: Compile with XLA.
        steps_per_execution: int > 0. Batches per call of the compiled step.
    """

    epochs: int = 10
    seed: int = _from_zero(0)
    tokens_per_batch: int = 2048
    num_shapes: int = 8
    learning_rate: float = 1e-3
    schedule: str = _one_of("constant", SCHEDULES)
    warmup_steps: int = _from_zero(0)
    beta_1: float = _between(0.9, 0, 0.999)
    beta_2: float = _between(0.999, 0, 0.9999)
    epsilon: float = 1e-7
    clip_norm: float = 1.0
    label_smoothing: float = _between(0.0, 0, 0.999)
    metric: str = _one_of("bleu", tuple(METRICS))
    evaluate_every: int = 1
    evaluate_size: int = 500
    bleu_tokenize: str = _one_of("13a", TOKENIZATIONS)
    average_last: int = _from_zero(0)
    average_best: int = _from_zero(0)
    ema_momentum: float = _between(0.0, 0, 0.99999)
    weight_decay: float = _from_zero(0.0)
    accumulation_steps: int = 1
    r_drop: float = _from_zero(0.0)
    precision: str = _one_of("float32", PRECISIONS)
    save_every: int = 500
    test_beam_size: int = 1
    patience: int = _from_zero(0)
    loss_positions: int = _from_zero(0)
    jit_compile: bool = False
    steps_per_execution: int = 1


@dataclasses.dataclass(frozen=True)
class DistributionRecipe:
    """Which devices train, on the JAX backend (docs/scale.md).

    Several processes are named by the environment variables of keras.distribution.initialize.

    Args:
        kind: "auto" and "data" give each device a share of each batch ("auto" takes the devices
            that there are, "data" needs JAX); "model" splits the weights too; "none" is one device.
        model_devices: int > 0. For "model": number of devices of a process that hold the weights
            together.
        rows_multiple: int >= 0. The pairs of a batch are a multiple of it; 0 takes the number of
            shares at the start of the run. The same batches on 1, 2, 4 or 8 devices have 8.
        timeout: int > 0. Seconds that processes wait for each other at the start.
    """

    kind: str = _one_of("auto", DISTRIBUTIONS)
    model_devices: int = 1
    rows_multiple: int = _from_zero(0)
    timeout: int = 300

    def faults(self) -> list[str]:
        """Returns what is wrong between the values."""
        if (self.model_devices != 1) == (self.kind == "model"):
            return []
        return [
            '`distribution.model_devices` must be above 1 with distribution.kind = "model", and 1 '
            f"without. Received: {self.model_devices} with {self.kind!r}."
        ]


SECTIONS: dict[str, Any] = {
    "data": DataRecipe,
    "tokenizer": TokenizerRecipe,
    "training": TrainingRecipe,
    "distribution": DistributionRecipe,
}
