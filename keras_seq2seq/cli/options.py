"""Options that several commands share: which runtime, and which search."""

import argparse
import copy
import dataclasses
import pathlib
from collections.abc import Iterable, Sequence

from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.bundles.load import load
from keras_seq2seq.decoding.beam_ranking import LENGTH_PENALTIES
from keras_seq2seq.decoding.strategies import BeamSearch, Greedy, Sampling
from keras_seq2seq.decoding.strategy import Strategy
from keras_seq2seq.formats import EXACT, FORMATS, QUANTIZATIONS
from keras_seq2seq.translator import SEARCHES, Translator

Commands = argparse._SubParsersAction  # what `add_subparsers` returns
CHOICES = {"length_penalty": LENGTH_PENALTIES}
WITH_THREADS = ("onnx", "litert")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Adds a recipe and what overrides its values."""
    parser.add_argument("recipe", type=pathlib.Path, help="TOML file")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        help="override a value of the recipe; may be repeated",
    )


def add_runtime_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that choose an artefact of a bundle and its search."""
    group = parser.add_argument_group("runtime")
    group.add_argument(
        "--runtime",
        choices=tuple(FORMATS),
        help="what runs the model (default: the first that is in the bundle and installed)",
    )
    group.add_argument(
        "--quantization",
        default=EXACT,
        choices=QUANTIZATIONS,
        help="weight format of the ONNX or LiteRT files (default: %(default)s)",
    )
    group.add_argument(
        "--search",
        choices=SEARCHES,
        help="where the search runs (default: in_file, or host where no file has the search)",
    )
    group.add_argument(
        "--threads",
        dest="num_threads",
        type=int,
        default=1,
        help="threads of one operator in ONNX and LiteRT files (default: %(default)s)",
    )
    group.add_argument(
        "--xnnpack",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run LiteRT files with XNNPACK, as phones do (default: --xnnpack)",
    )
    add_search_options(parser)
    group = parser.add_argument_group("sampling")
    group.add_argument("--sample", action="store_true", help="draw instead of searching")
    _add(group, Sampling, _own_options(Sampling))


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of a greedy or a beam search."""
    group = parser.add_argument_group("search")
    group.add_argument("--beam-size", type=int, default=1, help="1 is greedy (default)")
    _add(group, BeamSearch, [name for name in _own_options(BeamSearch) if name != "beam_size"])
    _add(group, Greedy, _options(Greedy))


def add_tokenize_option(parser: argparse.ArgumentParser) -> None:
    """Adds the option for how BLEU splits words."""
    parser.add_argument(
        "--tokenize",
        default="13a",
        help="how BLEU splits words; none for tokenised texts (default: %(default)s)",
    )


def strategy(arguments: argparse.Namespace) -> Strategy:
    """Returns the search that the options describe.

    Raises:
        ValueError: If they contradict each other, or a value is out of its range.
    """
    given = vars(arguments)
    kind: type[Strategy] = BeamSearch if arguments.beam_size != 1 else Greedy
    of_beam = [name for name in _own_options(BeamSearch) if name != "beam_size"]
    if given.get("sample"):
        if arguments.beam_size != 1 or arguments.num_hypotheses != 1:
            raise ValueError(
                "--sample keeps one hypothesis. Received: "
                f"--beam-size {arguments.beam_size} --num-hypotheses {arguments.num_hypotheses}."
            )
        kind = Sampling
        check_used(arguments, of_beam, "a beam search, without --sample")
    else:
        check_used(arguments, _own_options(Sampling), "--sample")
    if kind is Greedy:
        # Wrong values are reported first.
        BeamSearch.from_dict({name: given[name] for name in _options(BeamSearch)})
        check_used(arguments, of_beam, "--beam-size above 1")
    return kind.from_dict({name: given[name] for name in _options(kind)})


def check_used(arguments: argparse.Namespace, names: Iterable[str], needs: str) -> None:
    """Refuses options that the user gave and that change nothing.

    Args:
        arguments: Those of a command.
        names: The options that would change something only with `needs`.
        needs: What is missing.
    Raises:
        ValueError: If one of `names` was given; lists all.
    """
    if given := [name for name in names if name in arguments.given]:
        known = {action.dest: action.option_strings for action in arguments.parser._actions}
        options = ", ".join(known[name][-1] for name in given)
        raise ValueError(
            f"{options} would change nothing: it takes {needs}. Add that, or leave it out."
        )


def check_utf8(**texts: str) -> None:
    """Checks that options are texts, not bytes of another encoding.

    Raises:
        ValueError: If not.
    """
    for name, text in texts.items():
        if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
            raise ValueError(f"--{name} must be UTF-8. Received: {text!r}.")


def search_options(arguments: argparse.Namespace) -> set[str]:
    """Returns the names of the options of a search that the user gave."""
    kinds = (Greedy, BeamSearch, Sampling)
    return {"sample", *(name for kind in kinds for name in _options(kind))} & arguments.given


def translator(arguments: argparse.Namespace) -> Translator:
    """Opens the bundle that the options name."""
    return translators(arguments, 1)[0]


def translators(
    arguments: argparse.Namespace, count: int, default: Strategy | None = None
) -> list[Translator]:
    """Opens the bundle that the options name, to be used by some threads at the same time.

    Args:
        arguments: Those of a command.
        count: int > 0. Number of threads.
        default: What to search for; None takes what the options say.
    """
    if count < 1:
        raise ValueError(f"`workers` must be at least 1. Received: {count}.")
    chosen = default or strategy(arguments)
    name = arguments.runtime
    if name is None:
        name = Bundle.open(arguments.bundle).preferred_runtime(arguments.quantization)
    if name not in WITH_THREADS:
        check_used(arguments, ["num_threads"], f"a runtime of {', '.join(WITH_THREADS)}")
    if name != "litert":
        check_used(arguments, ["xnnpack"], "--runtime litert")
    first = load(
        arguments.bundle,
        runtime=name,
        quantization=arguments.quantization,
        search=arguments.search,
        strategy=chosen,
        num_threads=arguments.num_threads,
        xnnpack=arguments.xnnpack,
    )
    # LiteRT does one thing at a time; the other runtimes may be shared.
    others = (copy.deepcopy(first) if name == "litert" else first for _ in range(count - 1))
    return [first, *others]


def _options(kind: type[Strategy]) -> list[str]:
    """Returns the names of the fields of a strategy that the command line has options for."""
    return [field.name for field in dataclasses.fields(kind) if "help" in field.metadata]


def _own_options(kind: type[Strategy]) -> list[str]:
    common = _options(Greedy)
    return [name for name in _options(kind) if name not in common]


def _add(group: "argparse._ArgumentGroup", kind: type[Strategy], names: Sequence[str]) -> None:
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in names:
        field = fields[name]
        default = "none" if field.default is None else "%(default)s"
        group.add_argument(
            f"--{name.replace('_', '-')}",
            type=field.metadata["kind"],
            default=field.default,
            choices=CHOICES.get(name),
            help=f"{field.metadata['help']} (default: {default})",
        )
