"""A training run: from a recipe to a folder with the model, its history and its report."""

import contextlib
import dataclasses
import pathlib
import signal
import time
import warnings
from typing import Any

import keras

from keras_seq2seq.decoding.strategies import GREEDY, BeamSearch
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.evaluation import evaluate
from keras_seq2seq.installed import is_installed, missing_package, missing_packages
from keras_seq2seq.models.losses import RDrop
from keras_seq2seq.models.precision import EXACT_POLICY, dtype_policy
from keras_seq2seq.seq2seq import Seq2Seq, load_model
from keras_seq2seq.text.tokenizer import TokenizerPair
from keras_seq2seq.training.averaging import KeepEpochs, average
from keras_seq2seq.training.batches import PairBatches
from keras_seq2seq.training.callbacks import (
    EarlyStopping,
    HistoryFile,
    KeepBest,
    MovingAverage,
    Throughput,
    TranslationQuality,
    save_model,
)
from keras_seq2seq.training.corpus_parts import CorpusParts, Pairs, read_parts
from keras_seq2seq.training.devices import choose_devices
from keras_seq2seq.training.folder_lock import locked
from keras_seq2seq.training.initial_model import begin
from keras_seq2seq.training.interruption import Interruption, Terminated, stopped_at_once
from keras_seq2seq.training.optimizer import build_optimizer
from keras_seq2seq.training.prepared_pairs import PreparedPairs
from keras_seq2seq.training.processes import Processes, digest, initialize_processes
from keras_seq2seq.training.recipe import Recipe
from keras_seq2seq.training.recipe_sections import METRICS
from keras_seq2seq.training.resumable_fit import resumable_fit
from keras_seq2seq.training.run_folder import RunFolder
from keras_seq2seq.training.run_report import device_facts, facts, history_summary, pair_counts
from keras_seq2seq.training.tensorboard import TensorBoard
from keras_seq2seq.training.time_spent import (
    OTHER,
    STEPS,
    TEST,
    current_time_spent,
    spent_on,
    time_spent,
)
from keras_seq2seq.training.training_state import TrainingState, validation_fingerprints
from keras_seq2seq.training.translated_shares import translate_shares

KEPT_SOURCES = 100
NEEDED = ("matplotlib", "sacrebleu")


def train(
    recipe: Recipe,
    run_folder: str | pathlib.Path,
    *,
    fine_tune: str | pathlib.Path | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Trains the model that a recipe describes.

    A run may be killed at any moment. Started again, it resumes from its last state and ends as it
    would have ended anyway (`resumable_fit`). Ctrl-C or SIGTERM ends the training early, within
    seconds: the best model so far is kept, a report that says "interrupted" is written without the
    test part, and the same call resumes the run. A finished run also continues if its recipe has
    more epochs, except with a cosine schedule. Until everything is accepted, nothing is written.

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
        The report: quality on the test part, tokens per second, where time went, versions; after an
        interruption "interrupted" is True and "signal" its name, "SIGINT" or "SIGTERM".
    Raises:
        BlockingIOError: If another process trains in the folder.
        ProcessError: If a process of the training does not come, or does not do the same.
        FileExistsError: If the folder holds a run that this recipe does not continue, and `force`
            is False.
        FileNotFoundError: If files of the run are missing, and `force` is False; or the run to
            start from has no model.
        ImportError: If a package that the run needs at its end is missing.
        StateError, TrainingDiverged: See `resumable_fit`.
        ValueError: If pairs are longer than the model takes and the recipe's policy is "refuse",
            or the model to start from does not match the recipe; or the devices do not allow
            what the recipe says.
    """
    if missing := missing_packages(NEEDED):
        raise missing_package(f"A training run needs {', '.join(missing)}", "train")
    folder = RunFolder(pathlib.Path(run_folder))
    folder.check_name()
    keras.utils.set_random_seed(recipe.training.seed)  # or Keras would agree on one
    processes = initialize_processes(recipe.distribution.timeout)
    with contextlib.ExitStack() as held:
        held.enter_context(processes.at_work())
        if processes.writes:
            held.enter_context(locked(folder.lock, f"the run folder {folder.path}"))
        goes_on = folder.goes_on(recipe, force=force)
        chosen = recipe.distribution
        rows = folder.rows_multiple() if goes_on else chosen.rows_multiple
        spread, rows, notice = choose_devices(chosen.kind, chosen.model_devices, rows)
        if notice:
            print(notice)
        recipe = dataclasses.replace(
            recipe, distribution=dataclasses.replace(chosen, rows_multiple=rows)
        )
        _check_alike(recipe, folder, goes_on, processes)
        if spread is not None:
            held.enter_context(spread.scope())
        held.enter_context(time_spent()).begin(OTHER)
        return _train(recipe, folder, fine_tune, goes_on, processes)


def _train(
    recipe: Recipe,
    folder: RunFolder,
    fine_tune: str | pathlib.Path | None,
    goes_on: bool,
    processes: Processes,
) -> dict[str, Any]:
    """Trains in a folder that is locked."""
    started = time.perf_counter()
    parts = read_parts(recipe)
    if parts.report and processes.writes:
        print(parts.report)
    keras.utils.set_random_seed(recipe.training.seed)
    resumes = goes_on and folder.state.exists()
    with dtype_policy(recipe.training.precision):
        kept = folder if resumes else None
        tokenizers, model = begin(recipe, parts.train, fine_tune, kept, processes)
    batches = _batches(recipe, parts.train, tokenizers, processes, shuffle=True)
    _check_lengths(recipe, batches, "training", processes)
    validation = _batches(recipe, parts.validation, tokenizers, processes, shuffle=False)
    _check_lengths(recipe, validation, "validation", processes)
    _compile(model, recipe, len(batches))
    # The files of a run hold a model that computes in float32.
    model.dtype_policy = EXACT_POLICY
    callbacks = _Callbacks.of(recipe, parts, batches, folder, processes)
    if resumes:
        state = TrainingState.load(folder.state)
        judges = validation_fingerprints(validation, callbacks.listed, state.validation)
        state.check(model, batches.fingerprint_like(state.fingerprint), callbacks.listed, judges)
    processes.agree("pairs", {"batches": batches.fingerprint})
    with Interruption():
        if processes.writes:
            folder.prepare(goes_on=goes_on, fine_tune=fine_tune)
            if not resumes:  # a state belongs to the tokenizers already there
                tokenizers.save(folder.path)
            folder.write_start(recipe, (source for source, _ in parts.validation[:KEPT_SOURCES]))
            if not resumes:
                judges = validation_fingerprints(validation, callbacks.listed)
                state = TrainingState.of(model, 0, 0, batches.fingerprint, callbacks.listed, judges)
                state.save(folder.state)
        processes.wait("the start")
        stopped_by = _fit(model, recipe, batches, validation, callbacks, folder, processes)
        report = processes.from_first(
            "the report", lambda: _first_report(model, parts, batches, folder, processes, started)
        )
        stopped_by = stopped_by or _add_test(report, recipe, parts.test, folder, processes)
        report |= {"interrupted": bool(stopped_by), "seconds": current_time_spent().rounded()}
        if stopped_by:
            report["signal"] = stopped_by
        if processes.writes:
            folder.write_report(report)
    return report


def _first_report(
    model: Seq2Seq,
    parts: CorpusParts,
    batches: PairBatches,
    folder: RunFolder,
    processes: Processes,
    started: float,
) -> dict[str, Any]:
    """Writes the report without the test part, and returns it."""
    report = {
        "interrupted": True,  # until the test part is done: a run that is killed in it goes on
        "parameters": model.count_params(),
        "pairs": pair_counts(parts, batches),
        "dropped_pairs": batches.num_dropped,
        "padding_share": round(batches.padding_share, 4),
        "steps_per_epoch": len(batches),
        **facts(started),
        **device_facts(processes),
        **history_summary(folder),
    }
    folder.write_report(report)
    return report


def _check_alike(recipe: Recipe, folder: RunFolder, goes_on: bool, processes: Processes) -> None:
    """Checks that all processes begin the same run; JAX would compare their weights first."""
    here = {k: v for k, v in recipe.settings.items() if k not in ("data.folder", "data.prepared")}
    processes.agree(
        "recipe and run folder",
        {
            "recipe": digest(repr(sorted(here.items()))),
            "a run that goes on, a state": (goes_on, folder.state.exists()),
        },
    )


def _batches(
    recipe: Recipe,
    pairs: Pairs | PreparedPairs,
    tokenizers: TokenizerPair,
    processes: Processes,
    *,
    shuffle: bool,
) -> PairBatches:
    training, alpha = recipe.training, recipe.tokenizer.sampling_alpha
    with warnings.catch_warnings():
        # `_check_lengths` tells it, and names the keys of the recipe.
        warnings.filterwarnings("ignore", r"\d+ of \d+ pairs are left out")
        batches = PairBatches(
            pairs,
            tokenizers,
            tokens_per_batch=training.tokens_per_batch,
            num_shapes=training.num_shapes,
            max_length=recipe.max_length,
            shuffle=shuffle,
            sampling_alpha=alpha if shuffle and alpha else None,
            copies=2 if training.r_drop else 1,
            rows_multiple=recipe.distribution.rows_multiple,
            seed=training.seed,
        )
    return batches.share(processes.index, processes.count)


def _check_lengths(recipe: Recipe, batches: PairBatches, part: str, processes: Processes) -> None:
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
    if processes.writes:
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
    if training.loss_positions:
        model.chunk_loss(training.loss_positions)
    # In all processes: on several devices new variables are spread by all of them together.
    model.optimizer.build(model.trainable_variables)


@dataclasses.dataclass(frozen=True)
class _Callbacks:
    """The callbacks of a run, in order, and those that are asked afterwards."""

    listed: tuple[keras.callbacks.Callback, ...]
    keep_best: KeepBest
    kept: KeepEpochs | None
    history: HistoryFile

    @classmethod
    def of(
        cls,
        recipe: Recipe,
        parts: CorpusParts,
        batches: PairBatches,
        folder: RunFolder,
        processes: Processes,
    ) -> "_Callbacks":
        # All processes have the same callbacks; those of process 0 write.
        training, writes = recipe.training, processes.writes
        monitor = f"val_{training.metric}"
        mode = METRICS[training.metric]
        keep_best = KeepBest(folder.model, monitor, mode, writes=writes)
        history = HistoryFile(folder.history, writes=writes)
        quality = TranslationQuality(
            parts.validation,
            every=training.evaluate_every,
            size=training.evaluate_size,
            tokenize=training.bleu_tokenize,
            samples_path=folder.samples,
            processes=processes,
        )
        listed = [Throughput(batches), quality, keep_best, history]
        if training.ema_momentum:
            listed.insert(0, MovingAverage())
        if is_installed("tensorboard"):
            listed.append(TensorBoard(folder.tensorboard, quality, writes=writes))
        kept = None
        if count := training.average_last or training.average_best:
            by = {"monitor": monitor, "mode": mode} if training.average_best else {}
            kept = KeepEpochs(folder.epochs, count, **by, writes=writes)
            listed.append(kept)
        if training.patience:
            epochs = training.patience * training.evaluate_every
            listed.append(EarlyStopping(monitor, mode=mode, patience=epochs))
        return cls(tuple(listed), keep_best, kept, history)


def _fit(
    model: Seq2Seq,
    recipe: Recipe,
    batches: PairBatches,
    validation: PairBatches,
    callbacks: _Callbacks,
    folder: RunFolder,
    processes: Processes,
) -> str | None:
    """Fits the model and leaves one in the run folder; returns the signal that ended it early."""
    stopped_by = None
    try:
        with spent_on(STEPS):
            resumable_fit(
                model,
                batches,
                epochs=recipe.training.epochs,
                state_path=folder.state,
                save_every=recipe.training.save_every,
                validation_data=validation,
                callbacks=callbacks.listed,
            )
    except KeyboardInterrupt as error:
        stopped_by = _signal(error)
    finally:
        callbacks.history.close()
    kept = callbacks.kept
    if kept is not None and kept.paths():
        average(model, kept.paths())
    elif callbacks.keep_best.best is not None:
        return stopped_by
    if processes.writes:
        save_model(model, folder.model)
    processes.wait("the model")
    return stopped_by


def _add_test(
    report: dict[str, Any], recipe: Recipe, pairs: Pairs, folder: RunFolder, processes: Processes
) -> str | None:
    """Adds the quality on the test part; returns the signal that ended it early."""
    if not pairs:
        return None
    training = recipe.training
    searches: dict[str, Strategy] = {"test": GREEDY}
    if (size := training.test_beam_size) > 1:
        searches["test_beam"] = BeamSearch(size)
    found = {}
    try:
        # Several processes stop at the same place: where they translate.
        at_once = contextlib.nullcontext() if processes.several else stopped_at_once()
        with spent_on(TEST), at_once:
            best = load_model(folder.model, compile=False)
            for name, strategy in searches.items():
                found[name] = _test(best, pairs, training.bleu_tokenize, strategy, processes)
    except KeyboardInterrupt as error:
        return _signal(error)
    report.update(found)
    return None


def _signal(error: KeyboardInterrupt) -> str:
    return (signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT).name


def _test(
    model: Seq2Seq, pairs: Pairs, tokenize: str, strategy: Strategy, processes: Processes
) -> dict[str, Any]:
    sources, references = zip(*pairs, strict=True)
    translations = translate_shares(model, sources, processes, strategy=strategy)
    return evaluate(translations, references, tokenize=tokenize)
