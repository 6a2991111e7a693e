"""A training run: from a recipe to a folder with the model, its history and its report."""

import os
import pathlib
import platform
import time
import warnings
from typing import Any

import keras

from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.evaluation import evaluate
from keras_seq2seq.installed import is_installed, versions
from keras_seq2seq.models.losses import RDrop
from keras_seq2seq.models.precision import EXACT_POLICY, dtype_policy
from keras_seq2seq.seq2seq import Seq2Seq, load_model
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.averaging import KeepEpochs, average
from keras_seq2seq.training.batches import PairBatches
from keras_seq2seq.training.callbacks import (
    EarlyStopping,
    KeepBest,
    MovingAverage,
    Throughput,
    TranslationQuality,
    save_model,
)
from keras_seq2seq.training.corpus_parts import CorpusParts, Pairs, read_parts
from keras_seq2seq.training.initial_model import begin
from keras_seq2seq.training.optimizer import build_optimizer
from keras_seq2seq.training.recipe import Recipe
from keras_seq2seq.training.recipe_sections import METRICS
from keras_seq2seq.training.resumable_fit import resumable_fit
from keras_seq2seq.training.run_folder import RunFolder
from keras_seq2seq.training.tensorboard import TensorBoard

KEPT_SOURCES = 100
VERSIONED = (
    "keras_seq2seq",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "sentencepiece",
    "sacrebleu",
    "numpy",
)


def train(
    recipe: Recipe,
    run_folder: str | pathlib.Path,
    *,
    fine_tune: str | pathlib.Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Trains the model that a recipe describes.

    A run may be killed at any moment. Started again, it resumes from its last state and ends as it
    would have ended anyway (`resumable_fit`). Ctrl-C or SIGTERM ends the training early: the best
    model so far is kept, the report is written, and the same call resumes the run. A finished run
    also continues if its recipe has more epochs, except with a cosine schedule.

    Args:
        recipe: The recipe of the run.
        run_folder: Folder to create: `model.keras` (the best epoch, or the average of some where
            the recipe says so), the tokenizers, `recipe.toml` with every default, `state.npz`,
            `epochs/` (weights to average), `history.csv`, `history.png`, `samples.txt`,
            `sources.txt` (validation sources that an export is verified on), `tensorboard/`,
            `report.json`.
        fine_tune: Folder of a run to start from, with its weights and its tokenizers. The recipe's
            [model] and [tokenizer] must agree with it, except where no weight depends on them.
        force: Overwrite a run in the folder.
    Returns:
        The report: quality on the test part, tokens per second, wall time, versions.
    Raises:
        FileExistsError: If the folder holds a run that this recipe does not continue, and `force`
            is False.
        StateError, TrainingDiverged: See `resumable_fit`.
        ValueError: If pairs are longer than the model takes and the recipe's policy is "refuse",
            or the model to start from does not match the recipe.
    """
    folder = RunFolder(pathlib.Path(run_folder))
    started = time.perf_counter()
    goes_on = folder.goes_on(recipe, force=force)
    parts = read_parts(recipe)
    if parts.report:
        print(parts.report)
    keras.utils.set_random_seed(recipe.training.seed)
    with dtype_policy(recipe.training.precision):
        tokenizers, model = begin(recipe, parts.train, fine_tune, folder if goes_on else None)
    batches = _batches(recipe, parts.train, tokenizers, shuffle=True)
    _check_lengths(recipe, batches, "training")
    _compile(model, recipe, len(batches))
    # The files of a run hold a model that computes in float32.
    model.dtype_policy = EXACT_POLICY
    folder.prepare(goes_on=goes_on)
    if not folder.state.exists():  # a state belongs to the tokenizers already there
        tokenizers.save(folder.path)
    folder.write_start(recipe, (source for source, _ in parts.validation[:KEPT_SOURCES]))
    interrupted = _fit(model, recipe, parts, batches, folder)
    report = {
        "interrupted": interrupted,
        "parameters": model.count_params(),
        "pairs": {name: len(getattr(parts, name)) for name in ("train", "validation", "test")},
        "dropped_pairs": batches.num_dropped,
        "padding_share": round(batches.padding_share, 4),
        "steps_per_epoch": len(batches),
        "training_seconds": round(time.perf_counter() - started, 1),
        "threads": os.cpu_count(),
        "machine": platform.platform(),
        "backend": keras.backend.backend(),
        "versions": {"python": platform.python_version(), **versions(VERSIONED)},
        **_history_summary(folder),
    }
    best = load_model(folder.model, compile=False)
    if parts.test:
        tokenize = recipe.training.bleu_tokenize
        report["test"] = _test(best, parts.test, tokenize, GREEDY)
        if (size := recipe.training.test_beam_size) > 1:
            report["test_beam"] = _test(best, parts.test, tokenize, BeamSearch(size))
    folder.write_report(report)
    return report


def _batches(
    recipe: Recipe, pairs: Pairs, tokenizers: TokenizerPair, *, shuffle: bool
) -> PairBatches:
    training, alpha = recipe.training, recipe.tokenizer.sampling_alpha
    with warnings.catch_warnings():
        # `_check_lengths` tells it, and names the keys of the recipe.
        warnings.filterwarnings("ignore", r"\d+ of \d+ pairs are left out")
        return PairBatches(
            pairs,
            tokenizers,
            tokens_per_batch=training.tokens_per_batch,
            num_shapes=training.num_shapes,
            max_length=recipe.max_length,
            shuffle=shuffle,
            sampling_alpha=alpha if shuffle and alpha else None,
            copies=2 if training.r_drop else 1,
            seed=training.seed,
        )


def _validation(recipe: Recipe, pairs: Pairs, tokenizers: TokenizerPair) -> PairBatches:
    batches = _batches(recipe, pairs, tokenizers, shuffle=False)
    _check_lengths(recipe, batches, "validation")
    return batches


def _check_lengths(recipe: Recipe, batches: PairBatches, part: str) -> None:
    """Tells how many pairs are too long; refuses them in the training part if the recipe does."""
    if not batches.num_dropped:
        return
    told = (
        f"{batches.num_dropped} of {batches.num_dropped + len(batches.pairs)} {part} pairs have "
        f"a side of more than model.max_length={recipe.max_length} tokens, up to {batches.longest}"
    )
    if recipe.data.policy == "refuse" and part == "training":
        raise ValueError(
            f"Every training pair must fit the model. Received: {told}; raise model.max_length, or "
            'leave them out with data.policy = "drop".'
        )
    print(f"Left out: {told}.")


def _compile(model: Seq2Seq, recipe: Recipe, steps_per_epoch: int) -> None:
    training = recipe.training
    smoothing = training.label_smoothing
    loss = {"loss": RDrop(training.r_drop, smoothing)} if training.r_drop else {}
    model.compile(
        build_optimizer(training, steps_per_epoch * training.epochs),
        label_smoothing=0.0 if loss else smoothing,
        jit_compile=training.jit_compile or None,
        steps_per_execution=training.steps_per_execution,
        **loss,
    )


def _fit(
    model: Seq2Seq, recipe: Recipe, parts: CorpusParts, batches: PairBatches, folder: RunFolder
) -> bool:
    """Fits the model and leaves one in the run folder; returns True if Ctrl-C ended it."""
    training = recipe.training
    monitor = f"val_{training.metric}"
    mode = METRICS[training.metric]
    keep_best = KeepBest(folder.model, monitor, mode)
    csv_logger = keras.callbacks.CSVLogger(str(folder.history), append=True)
    quality = TranslationQuality(
        parts.validation,
        every=training.evaluate_every,
        size=training.evaluate_size,
        tokenize=training.bleu_tokenize,
        samples_path=folder.samples,
    )
    callbacks = [Throughput(batches), quality, keep_best, csv_logger]
    if training.ema_momentum:
        callbacks.insert(0, MovingAverage())
    if is_installed("tensorboard"):
        callbacks.append(TensorBoard(folder.tensorboard, quality))
    kept = None
    if count := training.average_last or training.average_best:
        by = {"monitor": monitor, "mode": mode} if training.average_best else {}
        kept = KeepEpochs(folder.epochs, count, **by)
        callbacks.append(kept)
    if training.patience:
        epochs = training.patience * training.evaluate_every
        callbacks.append(EarlyStopping(monitor, mode=mode, patience=epochs))
    try:
        resumable_fit(
            model,
            batches,
            epochs=training.epochs,
            state_path=folder.state,
            save_every=training.save_every,
            validation_data=_validation(recipe, parts.validation, batches.tokenizers),
            callbacks=callbacks,
        )
        interrupted = False
    except KeyboardInterrupt:
        interrupted = True
    finally:
        if csv_logger.csv_file is not None:
            csv_logger.csv_file.close()
    if kept is not None and kept.paths():
        average(model, kept.paths())
        save_model(model, folder.model)
    elif keep_best.best is None:
        save_model(model, folder.model)
    return interrupted


def _history_summary(folder: RunFolder) -> dict[str, Any]:
    """Returns epochs, best validation values and speed from `history.csv`; draws it."""
    from keras_seq2seq.training.history import draw_history, read_history

    history = read_history(folder.history)
    if not history:
        return {"epochs": 0}
    draw_history(history, folder.picture)
    return {
        "epochs": len(history["epoch"]),
        "best_val_bleu": max(history["val_bleu"]),
        "best_val_exact_match": max(history["val_exact_match"]),
        "tokens_per_second": round(sum(history["tokens_per_second"]) / len(history["epoch"])),
    }


def _test(model: Seq2Seq, pairs: Pairs, tokenize: str, strategy: Strategy) -> dict[str, Any]:
    sources, references = zip(*pairs, strict=True)
    translations = model.translate(sources, batch_size=64, strategy=strategy)
    return evaluate(translations, references, tokenize=tokenize)
