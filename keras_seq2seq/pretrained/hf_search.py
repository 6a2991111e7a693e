"""The search that a model of Transformers is used with by default."""

import pathlib
from typing import Any

from keras_seq2seq.decoding.strategies import BeamSearch
from keras_seq2seq.pretrained.options import Options, read_json
from keras_seq2seq.pretrained.tokenizers import Side
from keras_seq2seq.text.vocabulary import BOS_ID, PAD_ID

GENERATION = "generation_config.json"
# Options that may be there with the value that does nothing.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "do_sample": (False,),
    "num_beam_groups": (1,),
    "diversity_penalty": (0.0, 0),
    "repetition_penalty": (1.0, 1),
    "encoder_repetition_penalty": (1.0, 1),
    "encoder_no_repeat_ngram_size": (0,),
    "num_return_sequences": (1,),
    "remove_invalid_values": (False, True),
    "renormalize_logits": (False,),
    "begin_suppress_tokens": ([],),
    "low_memory": (False, True),
    "token_healing": (False,),
    "guidance_scale": (1.0, 1),
    "force_bos_token_to_be_generated": (False,),
    **dict.fromkeys(
        (
            *("forced_bos_token_id", "exponential_decay_length_penalty", "force_words_ids"),
            *("constraints", "sequence_bias", "stop_strings", "watermarking_config"),
            *("penalty_alpha", "max_new_tokens", "min_new_tokens", "dola_layers", "max_time"),
        ),
        (),
    ),
}
# What belongs to sampling, to assistants or to the output, and changes no beam search.
IGNORED = {
    *("_from_model_config", "transformers_version", "temperature", "top_k", "top_p", "top_h"),
    *("typical_p", "min_p", "epsilon_cutoff", "eta_cutoff", "max_length", "use_cache"),
    *("forced_eos_token_id", "return_dict_in_generate", "output_scores", "output_logits"),
    *("output_attentions", "output_hidden_states", "cache_implementation", "cache_config"),
    *("max_cache_len", "prefill_chunk_size", "compile_config", "disable_compile", "use_mtp"),
    *("assistant_confidence_threshold", "assistant_early_exit", "assistant_ensemble_weight"),
    *("assistant_lookbehind", "is_assistant", "num_assistant_tokens", "speculation_type"),
    *("num_assistant_tokens_schedule", "max_matching_ngram_size", "prompt_lookup_num_tokens"),
    *("target_lookbehind", "continuous_batching_config", "bos_token_id"),
}
OF_SEARCH = {
    *("num_beams", "length_penalty", "early_stopping", "min_length", "no_repeat_ngram_size"),
    *("bad_words_ids", "suppress_tokens", *NEUTRAL, *IGNORED),
}
PATIENCE = {False: None, True: 1.0, "never": None}


def read_search(folder: pathlib.Path, config: Options, target: Side) -> BeamSearch:
    """Returns the search that generation_config.json describes, or else config.json.

    Transformers ranks hypotheses by log P / length ** length_penalty. Without `early_stopping` it
    goes on until no live hypothesis can win: `patience` None.

    Args:
        folder: The folder of the model.
        config: The options of config.json; those of the search are taken.
        target: The vocabulary of the target.
    Raises:
        ValueError: If an option of generation_config.json is unknown, or cannot be imported.
    """
    of_config = {name: value for name in OF_SEARCH if (value := config.get(name)) is not None}
    path = folder / GENERATION
    values = read_json(path) if path.is_file() else of_config
    options = Options(path if path.is_file() else config.path, values, IGNORED)
    options.require(NEUTRAL)
    for name in ("eos_token_id", "pad_token_id", "decoder_start_token_id"):
        options.get(name)  # config.json has them too, and they are checked there
    early = options.get("early_stopping")
    if early is not None and early not in PATIENCE:
        options.errors.append(f"`early_stopping` is {early!r}, not true, false or 'never'")
    fields = {
        "beam_size": options.take("num_beams", int, 1),
        "length_penalty": "average",
        "alpha": float(options.take("length_penalty", float, 1.0)),
        "patience": PATIENCE.get(early) if isinstance(early, bool | str) else None,
        "min_length": options.take("min_length", int, 0),
        "no_repeat_ngram_size": options.take("no_repeat_ngram_size", int, 0),
        "suppress": _suppressed(options, target),
    }
    options.check()
    try:
        return BeamSearch(**fields)
    except ValueError as error:
        raise ValueError(f"{options.path} describes a search that cannot be had: {error}") from None


def _suppressed(options: Options, target: Side) -> tuple[int, ...]:
    """Returns the new ids that no translation has, besides pad and bos."""
    old = list(options.take("suppress_tokens", list, []))
    for word in options.take("bad_words_ids", list, []):
        if not isinstance(word, list) or len(word) != 1:
            options.errors.append(f"`bad_words_ids` has {word!r}, not a list with one id")
        else:
            old += word
    new_ids = target.new_ids
    if unknown := [i for i in old if i not in new_ids]:
        options.errors.append(f"`bad_words_ids` or `suppress_tokens` has {unknown}, no ids")
        return ()
    return tuple(sorted({new_ids[i] for i in old} - {PAD_ID, BOS_ID}))
