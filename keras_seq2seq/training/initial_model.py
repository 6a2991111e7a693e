"""What a run starts from: new tokenizers and weights, those of its folder, or another run's."""

import base64
import dataclasses
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from keras_seq2seq.seq2seq import Seq2Seq, load_model
from keras_seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from keras_seq2seq.training.corpus_parts import Pairs
from keras_seq2seq.training.interruption import within_reach_of_signals
from keras_seq2seq.training.prepared_pairs import PreparedPairs
from keras_seq2seq.training.processes import Processes
from keras_seq2seq.training.recipe import Recipe, read_settings
from keras_seq2seq.training.recipe_tokenizers import recipe_tokenizers
from keras_seq2seq.training.run_folder import RunFolder

# No weight depends on these: fine-tuning may use other values.
WEIGHTLESS = {"dropout", "attention_dropout", "activation_dropout"}


def begin(
    recipe: Recipe,
    pairs: Pairs | PreparedPairs,
    fine_tune: str | pathlib.Path | None,
    folder: RunFolder | None,
    processes: Processes | None = None,
) -> tuple[TokenizerPair, Seq2Seq]:
    """Returns the tokenizers and the model that a run starts from.

    Args:
        recipe: The recipe of the run.
        pairs: The training part, which new tokenizers are trained on; prepared pairs have theirs.
        fine_tune: Folder of a run whose weights and tokenizers are taken; None makes new ones.
        folder: Folder of a run that continues, with its tokenizers; the weights come from its
            state, and `fine_tune` is not needed any more. None begins.
        processes: Those of the training; new tokenizers are trained in process 0.
    Raises:
        ValueError: If the recipe does not match the run to start from, or the pairs were prepared
            with other tokenizers.
    """
    prepared = pairs if isinstance(pairs, PreparedPairs) else None
    if folder is not None:
        tokenizers = TokenizerPair.load(folder.path)
    elif fine_tune is not None:
        tokenizers, model = _from_run(recipe, RunFolder(pathlib.Path(fine_tune)))
        _check_prepared(prepared, tokenizers, f"--fine-tune {fine_tune}")
        return tokenizers, model
    elif prepared is not None:
        tokenizers = prepared.tokenizers
    else:
        tokenizers = _of_first(
            processes or Processes(),
            lambda: within_reach_of_signals(lambda: recipe_tokenizers(recipe, pairs)),
        )
    _check_prepared(prepared, tokenizers, "--force")
    return tokenizers, _new_model(recipe, tokenizers)


def _of_first(processes: Processes, make: Callable[[], TokenizerPair]) -> TokenizerPair:
    """Returns tokenizers that process 0 alone makes: sums over threads differ between hosts."""
    if not processes.several:
        return make()

    def written() -> list[str]:
        pair = make()
        sides = [pair.source] if pair.joint else [pair.source, pair.target]
        return [base64.b64encode(side.to_bytes()).decode("ascii") for side in sides]

    texts = processes.from_first("the tokenizers", written)
    sides = [Tokenizer(base64.b64decode(text)) for text in texts]
    return TokenizerPair(sides[0], sides[-1])


def _check_prepared(prepared: PreparedPairs | None, tokenizers: TokenizerPair, option: str) -> None:
    if prepared is not None and prepared.tokenizers != tokenizers:
        raise ValueError(
            f"The pairs must be prepared with the tokenizers of the run. Received: "
            f"{prepared.folder} with others; prepare them again with {option}, or train without "
            'data.prepared (--set data.prepared="").'
        )


def _new_model(recipe: Recipe, tokenizers: TokenizerPair) -> Seq2Seq:
    return Seq2Seq(recipe.config(*tokenizers.vocabulary_sizes), tokenizers=tokenizers)


def _from_run(recipe: Recipe, run: RunFolder) -> tuple[TokenizerPair, Seq2Seq]:
    if not run.model.exists():
        raise FileNotFoundError(
            f"{run.path} has no model.keras to start from. Train that run first, or name another."
        )
    given = load_model(run.model, compile=False)
    if given.config is None or given.tokenizers is None:
        raise ValueError(
            "A run to start from needs a model with a configuration and tokenizers. "
            f"Received: {run.model}."
        )
    tokenizers = given.tokenizers
    of_run = read_settings(run.recipe)
    faults = [
        f"{name}: {of_run[name]!r} there, {here!r} here"
        for name, here in recipe.settings.items()
        if name.startswith("tokenizer.") and of_run[name] != here
        if name != "tokenizer.sampling_alpha"
    ]
    config = recipe.config(*tokenizers.vocabulary_sizes)
    weightless = WEIGHTLESS | ({"max_length"} if config.positions != "learned" else set())
    faults += [
        f"model.{name}: {there!r} there, {here!r} here"
        for name, there, here in _differences(given.config, config)
        if name not in weightless
    ]
    if faults:
        raise ValueError(
            "A recipe that starts from a run must have its model and tokenizers. "
            f"Received: {run.path} with other values:\n- " + "\n- ".join(faults)
        )
    # With what Keras calls did to its layers.
    changed = {"config": config.to_dict(), "dtype": keras.config.dtype_policy().name}
    model = Seq2Seq.from_config({**given.get_config(), **changed})
    model.tokenizers = tokenizers
    model.set_weights(given.get_weights())
    return tokenizers, model


def _differences(there: Any, here: Any) -> list[tuple[str, Any, Any]]:
    fields = [field.name for field in dataclasses.fields(there)]
    pairs = [(name, getattr(there, name), getattr(here, name)) for name in fields]
    return [(name, a, b) for name, a, b in pairs if a != b]
