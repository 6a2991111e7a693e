"""A training run: from a recipe to a folder with the model and everything that tells of it."""

import importlib.metadata
import importlib.util
import json
import os
import pathlib
import platform
import time
from typing import Any

import keras

from keras_seq2seq.models.seq2seq import Seq2Seq, load_model
from keras_seq2seq.tokenizer import TokenizerPair
from keras_seq2seq.training.batches import PairBatches
from keras_seq2seq.training.callbacks import (
    AverageLast,
    KeepBest,
    Throughput,
    TranslationQuality,
    save_model,
)
from keras_seq2seq.training.evaluation import evaluate
from keras_seq2seq.training.parts import Pairs, Parts, read_parts
from keras_seq2seq.training.recipe import METRICS, Recipe
from keras_seq2seq.training.schedules import learning_rate

MODEL_FILE = "model.keras"
REPORT_FILE = "report.json"
SAMPLES_FILE = "samples.txt"
SOURCES_FILE = "sources.txt"
KEPT_SOURCES = 100
VERSIONED = ("keras_seq2seq", "keras", "tensorflow", "jax", "sentencepiece", "sacrebleu", "numpy")


def train(recipe: Recipe, run_folder: pathlib.Path, *, force: bool = False) -> dict[str, Any]:
    """Trains a model as the recipe says.

    Ctrl-C ends the training, not the run: the best model so far stays, and the report tells.

    Args:
        recipe: All of the run.
        run_folder: Folder to make: `model.keras` (the best epoch, or the average of the last
            ones where the recipe says so), the tokenizers,
            `recipe.toml` with every default, `history.csv`, `history.png`, `samples.txt`,
            `sources.txt` (validation sources that an export is verified on), `tensorboard/`,
            `report.json`.
        force: Write into a folder that holds a run already.
    Returns:
        The report: quality on the test part, tokens per second, wall time, versions.
    Raises:
        FileExistsError: If the folder holds a run and `force` is False.
    """
    if (run_folder / "recipe.toml").exists() and not force:
        raise FileExistsError(
            f"A run goes into a new folder. Received: {run_folder}, which holds a run; "
            "name another one or pass --force (force=True) to write over it."
        )
    started = time.perf_counter()
    parts = read_parts(recipe)
    if parts.report:
        print(parts.report)
    keras.utils.set_random_seed(recipe.training.seed)
    tokenizers = _train_tokenizers(recipe, parts.train)
    model = Seq2Seq(
        recipe.config(tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size),
        tokenizers=tokenizers,
    )
    batches = _batches(recipe, parts.train, tokenizers, shuffle=True)
    _compile(model, recipe, len(batches))
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / SAMPLES_FILE).unlink(missing_ok=True)
    tokenizers.save(run_folder)
    (run_folder / "recipe.toml").write_text(recipe.to_toml(), "utf-8")
    sources = "".join(f"{source}\n" for source, _ in parts.validation[:KEPT_SOURCES])
    (run_folder / SOURCES_FILE).write_text(sources, "utf-8")
    interrupted = _fit(model, recipe, parts, batches, run_folder)
    report = {
        "interrupted": interrupted,
        "parameters": model.count_params(),
        "pairs": {name: len(getattr(parts, name)) for name in ("train", "validation", "test")},
        "dropped_pairs": batches.num_dropped,
        "padding_share": round(batches.padding_share, 4),
        "training_seconds": round(time.perf_counter() - started, 1),
        "threads": os.cpu_count(),
        "machine": platform.platform(),
        "backend": keras.backend.backend(),
        "versions": _versions(),
        **_history_summary(run_folder),
    }
    best = load_model(run_folder / MODEL_FILE, compile=False)
    if parts.test:
        report["test"] = _test(best, parts.test, recipe.training.bleu_tokenize)
    _write_json(run_folder / REPORT_FILE, report)
    return report


def _train_tokenizers(recipe: Recipe, pairs: Pairs) -> TokenizerPair:
    chosen = recipe.tokenizer
    source_size = chosen.vocabulary_size or None
    if chosen.joint:
        return TokenizerPair.train(
            pairs,
            source_size,
            joint=True,
            source_level=chosen.source_level,
            target_level=chosen.source_level,
        )
    return TokenizerPair.train(
        pairs,
        (source_size, chosen.target_vocabulary_size or None),
        source_level=chosen.source_level,
        target_level=chosen.target_level,
    )


def _batches(
    recipe: Recipe, pairs: Pairs, tokenizers: TokenizerPair, *, shuffle: bool
) -> PairBatches:
    training, alpha = recipe.training, recipe.tokenizer.sampling_alpha
    return PairBatches(
        pairs,
        tokenizers,
        tokens_per_batch=training.tokens_per_batch,
        num_shapes=training.num_shapes,
        max_length=recipe.max_length,
        shuffle=shuffle,
        sampling_alpha=alpha if shuffle and alpha else None,
        seed=training.seed,
    )


def _compile(model: Seq2Seq, recipe: Recipe, steps_per_epoch: int) -> None:
    training = recipe.training
    optimizer = keras.optimizers.Adam(
        learning_rate(training, steps_per_epoch * training.epochs),
        beta_1=training.beta_1,
        beta_2=training.beta_2,
        epsilon=training.epsilon,
        global_clipnorm=training.clip_norm,
    )
    model.compile(
        optimizer,
        label_smoothing=training.label_smoothing,
        jit_compile=training.jit_compile or None,
        steps_per_execution=training.steps_per_execution,
    )


def _fit(
    model: Seq2Seq, recipe: Recipe, parts: Parts, batches: PairBatches, run_folder: pathlib.Path
) -> bool:
    """Fits the model; returns True if Ctrl-C ended it. The run folder holds a model after."""
    training = recipe.training
    monitor = f"val_{training.metric}"
    mode = METRICS[training.metric]
    keep_best = KeepBest(run_folder / MODEL_FILE, monitor, mode)
    csv_logger = keras.callbacks.CSVLogger(str(run_folder / "history.csv"))
    callbacks: list[keras.callbacks.Callback] = [
        Throughput(batches),
        TranslationQuality(
            parts.validation,
            every=training.evaluate_every,
            size=training.evaluate_size,
            tokenize=training.bleu_tokenize,
            samples_path=run_folder / SAMPLES_FILE,
        ),
        keep_best,
        csv_logger,
    ]
    if importlib.util.find_spec("tensorflow") is not None:
        folder = str(run_folder / "tensorboard")
        callbacks.append(keras.callbacks.TensorBoard(folder, write_graph=False))
    average_last = AverageLast(training.average_last) if training.average_last else None
    if average_last is not None:
        callbacks.append(average_last)
    if training.patience:
        epochs = training.patience * training.evaluate_every
        callbacks.append(keras.callbacks.EarlyStopping(monitor, mode=mode, patience=epochs))
    try:
        model.fit(
            batches,
            validation_data=_batches(recipe, parts.validation, batches.tokenizers, shuffle=False),
            epochs=training.epochs,
            callbacks=callbacks,
        )
        interrupted = False
    except KeyboardInterrupt:
        interrupted = True
        if csv_logger.csv_file is not None:
            csv_logger.csv_file.close()
    if average_last is not None:
        average_last.apply()
    if average_last is not None or keep_best.best is None:
        save_model(model, run_folder / MODEL_FILE)
    return interrupted


def _history_summary(run_folder: pathlib.Path) -> dict[str, Any]:
    """Returns epochs, best validation values and speed from `history.csv`; draws it."""
    from keras_seq2seq.training.history import draw_history, read_history

    history = read_history(run_folder / "history.csv")
    if not history:
        return {"epochs": 0}
    draw_history(history, run_folder / "history.png")
    return {
        "epochs": len(history["epoch"]),
        "best_val_bleu": max(history["val_bleu"]),
        "best_val_exact_match": max(history["val_exact_match"]),
        "tokens_per_second": round(sum(history["tokens_per_second"]) / len(history["epoch"])),
    }


def _test(model: Seq2Seq, pairs: Pairs, tokenize: str) -> dict[str, Any]:
    translations = model.translate([source for source, _ in pairs], batch_size=64)
    return evaluate(translations, [target for _, target in pairs], tokenize=tokenize)


def _versions() -> dict[str, str]:
    found = {}
    for name in VERSIONED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), **found}


def _write_json(path: pathlib.Path, values: dict[str, Any]) -> None:
    partial = path.with_name(f".partial-{path.name}")
    partial.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", "utf-8")
    os.replace(partial, path)
