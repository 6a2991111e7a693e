"""Writes an imported model as a run, which the commands take like one that was trained here."""

import math
import pathlib
import random
from collections.abc import Sequence

from keras_seq2seq.bundles.whole_folder import check_utf8, whole_folder
from keras_seq2seq.file_formats.sentencepiece_model import NORMAL, SentencePieceModel
from keras_seq2seq.models.config import Seq2SeqConfig
from keras_seq2seq.pretrained.pretrained import Pretrained
from keras_seq2seq.text.tokenizer import Tokenizer, TokenizerPair
from keras_seq2seq.text.vocabulary import EOS_ID
from keras_seq2seq.training.kept_search import write_search
from keras_seq2seq.training.recipe import VOCABULARY_KEYS, Recipe
from keras_seq2seq.training.recipe_sections import TokenizerRecipe
from keras_seq2seq.training.run_folder import SHORTLIST_FILE, RunFolder

NUM_SOURCES, LONGEST_SOURCE = 100, 20  # made of pieces, if none are given
SECTIONS = ("tokenizer", "model")
HEADER = "# Of an imported model. To fine-tune it: a copy, with sections [data] and [training].\n"


def write_run(
    pretrained: Pretrained,
    output_dir: pathlib.Path,
    sources: Sequence[str] = (),
    *,
    force: bool = False,
) -> RunFolder:
    """Writes a run folder, whole or not at all.

    It holds `model.keras`, the tokenizers, `sources.txt`, `search.json`, `recipe.toml` with the
    sections that a recipe needs to fine-tune the model, and `shortlist.npz` if there is one.

    Args:
        pretrained: An imported model.
        output_dir: The folder to create.
        sources: Texts of the source language that an export is verified and judged on; empty makes
            some of random pieces, frequent ones more often.
        force: Replace a run in the folder.
    Raises:
        FileExistsError: If the folder exists, and is no run or `force` is False.
    """
    check_free(output_dir, force=force)
    model, tokenizers = pretrained.model, pretrained.model.tokenizers
    assert model.config is not None  # an import has both
    assert tokenizers is not None
    output_dir.absolute().parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(output_dir.absolute(), replace=force) as partial:
        run = RunFolder(partial)
        model.save(run.model, include_optimizer=False)
        tokenizers.save(partial)
        texts = [" ".join(text.split()) for text in sources] or random_texts(tokenizers.source)
        run.sources.write_text("".join(f"{text}\n" for text in texts), "utf-8")
        write_search(partial, pretrained.strategy)
        run.recipe.write_text(HEADER + _recipe(model.config, tokenizers), "utf-8")
        if pretrained.shortlist is not None:
            pretrained.shortlist.save(partial / SHORTLIST_FILE)
    return RunFolder(output_dir)


def check_free(output_dir: pathlib.Path, *, force: bool) -> None:
    """Checks that a run may be written to a folder.

    Raises:
        FileExistsError: If it exists, and is no run or `force` is False.
        ValueError: If its name is not UTF-8.
    """
    check_utf8(output_dir, "`output_dir`")
    if output_dir.exists() or output_dir.is_symlink():
        run = RunFolder(output_dir)
        is_run = run.recipe.is_file() and run.model.is_file() and not output_dir.is_symlink()
        if not (force and is_run):
            remedy = "pass force=True (--force) to replace it" if is_run else "name another"
            raise FileExistsError(
                f"`output_dir` must be new. Received: {output_dir}, which exists; {remedy}."
            )


def random_texts(tokenizer: Tokenizer) -> list[str]:
    """Returns texts of random pieces, each as likely as its tokenizer takes it to be."""
    draw = random.Random(0)
    pieces = SentencePieceModel.read(tokenizer.to_bytes()).pieces
    ids = [i for i, piece in enumerate(pieces) if i > EOS_ID and piece.kind == NORMAL]
    weights = [math.exp(pieces[i].score) for i in ids]
    lengths = [draw.randint(1, LONGEST_SOURCE) for _ in range(NUM_SOURCES)]
    texts = [tokenizer.decode(draw.choices(ids, weights, k=length)) for length in lengths]
    return [" ".join(text.split()) for text in texts]


def _recipe(config: Seq2SeqConfig, tokenizers: TokenizerPair) -> str:
    """Returns the sections of a recipe that the model and the tokenizers decide."""
    model = {k: v for k, v in config.to_dict().items() if k not in VOCABULARY_KEYS}
    source, target = tokenizers.vocabulary_sizes
    joint = config.share_embeddings or tokenizers.joint
    tokenizer = TokenizerRecipe(joint, source, 0 if joint else target)
    return Recipe(tokenizer=tokenizer, model=model).to_toml(SECTIONS)
