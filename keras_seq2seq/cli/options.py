"""Options of the command line that choose a runtime and a search."""

import argparse
import dataclasses

import keras_seq2seq
from keras_seq2seq.decoding.strategy import (
    LENGTH_PENALTIES,
    BeamSearch,
    Greedy,
    Sampling,
    Strategy,
)
from keras_seq2seq.translator import SEARCHES, Translator

RULES = [field.name for field in dataclasses.fields(Strategy) if field.name != "suppress"]
OF_BEAM = ("num_hypotheses", "length_penalty", "alpha", "coverage_penalty", "patience")
OF_SAMPLING = ("temperature", "top_k", "top_p", "seed")


def add_runtime_options(parser: argparse.ArgumentParser) -> None:
    """Adds what chooses an artefact of a bundle and a search over it."""
    group = parser.add_argument_group("runtime")
    group.add_argument(
        "--runtime",
        default="onnx",
        choices=("keras", "saved_model", "litert", "onnx"),
        help="what runs the model (default: %(default)s)",
    )
    group.add_argument(
        "--quantization",
        default="float32",
        choices=("float32", "float16", "dynamic_int8", "int8"),
        help="of the ONNX or LiteRT files (default: %(default)s)",
    )
    group.add_argument(
        "--search",
        choices=SEARCHES,
        help="where the search runs (default: in_file; host for what no file has inside)",
    )
    group.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    add_beam_options(parser)
    group = parser.add_argument_group("sampling")
    group.add_argument("--sample", action="store_true", help="draw instead of searching")
    _add(group, Sampling, "temperature", float, "below 1 sharpens")
    _add(group, Sampling, "top_k", int, "draw from so many best tokens; 0: from all")
    _add(group, Sampling, "top_p", float, "draw from the best tokens of this probability")
    _add(group, Sampling, "seed", int, "the same gives the same text again")


def add_beam_options(parser: argparse.ArgumentParser) -> None:
    """Adds what describes a greedy or a beam search."""
    group = parser.add_argument_group("search")
    group.add_argument("--beam-size", type=int, default=1, help="1 is greedy (default)")
    _add(group, BeamSearch, "num_hypotheses", int, "translations of each text")
    group.add_argument(
        "--length-penalty",
        choices=LENGTH_PENALTIES,
        default=BeamSearch.length_penalty,
        help="default: %(default)s",
    )
    _add(group, BeamSearch, "alpha", float, "exponent of the length penalty")
    _add(group, BeamSearch, "coverage_penalty", float, "beta of the coverage penalty")
    _add(group, BeamSearch, "patience", float, "finished hypotheses that are enough, in beams")
    _add(group, Greedy, "min_length", int, "fewest tokens before the end of sentence")
    _add(group, Greedy, "max_length_factor", float, "longest translation, in source lengths")
    _add(group, Greedy, "repetition_penalty", float, "above 1 avoids what was said")
    _add(
        group,
        Greedy,
        "no_repeat_ngram_size",
        int,
        "sequences that come once only; 0: off",
    )


def add_tokenize_option(parser: argparse.ArgumentParser) -> None:
    """Adds how BLEU splits words."""
    parser.add_argument(
        "--tokenize",
        default="13a",
        help="how BLEU splits words; none for tokenised texts (default: %(default)s)",
    )


def strategy(arguments: argparse.Namespace) -> Strategy:
    """Returns the search that the options describe.

    Raises:
        ValueError: If they do not fit each other.
    """
    options = vars(arguments)
    rules = {name: options[name] for name in RULES}
    if options.get("sample"):
        if arguments.beam_size != 1 or arguments.num_hypotheses != 1:
            raise ValueError(
                "--sample keeps one hypothesis. Received: "
                f"--beam-size {arguments.beam_size} --num-hypotheses {arguments.num_hypotheses}."
            )
        return Sampling(**{name: options[name] for name in OF_SAMPLING}, **rules)
    beam = BeamSearch(arguments.beam_size, **{name: options[name] for name in OF_BEAM}, **rules)
    return beam if beam.beam_size > 1 else Greedy(**rules)


def translator(arguments: argparse.Namespace) -> Translator:
    """Opens the bundle that the options name."""
    return keras_seq2seq.load(
        arguments.bundle,
        runtime=arguments.runtime,
        quantization=arguments.quantization,
        search=arguments.search,
        strategy=strategy(arguments),
        num_threads=arguments.threads,
    )


def _add(
    group: "argparse._ArgumentGroup", home: type[Strategy], name: str, kind: type, text: str
) -> None:
    default = getattr(home, name)
    text += " (default: %(default)s)" if default is not None else " (default: none)"
    group.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default, help=text)
