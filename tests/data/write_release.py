"""Writes what a release writes, for every later one to read: python write_release.py FILE.tar.xz.

Run it with the code of the release itself. The archive holds `models/`, `bundles/`, `runs/` with
their corpus, and `expected.json`: the translations that each of them gave at that time.
"""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras

import keras_seq2seq
from keras_seq2seq import BeamSearch, Seq2Seq, Seq2SeqConfig, Shortlist, TokenizerPair

LEXICON = {"the": "le", "a": "un", "dog": "chien", "cat": "chat", "sees": "voit", "red": "rouge"}
TEXTS = ["the dog", "a cat sees the dog", "", "red", "the red cat sees a dog"]
BEAM = BeamSearch(3, 2, max_length_factor=2.0)
SMALL = {"embedding_dim": 8, "units": 8, "max_length": 9}
TRANSFORMER = {
    "encoder": "transformer",
    "decoder": "transformer",
    "num_heads": 2,
    "feedforward_dim": 12,
}
MODELS = {
    "gru": {"attention": "general"},
    "lstm_feeding": {
        **{"cell": "lstm", "attention": "additive", "input_feeding": True, "residual": True},
        **{"share_embeddings": True, "tie_output": True, "num_decoder_layers": 2},
    },
    "rnn_mean": {
        **{"cell": "simple_rnn", "context": "mean", "context_use": "every_step"},
        **{"bridge": "zero", "bidirectional": False},
    },
    "transformer": {**TRANSFORMER, "num_decoder_layers": 2},
    "transformer_post": {
        **{**TRANSFORMER, "normalization": "post", "activation": "swiglu"},
        **{"positions": "learned", "share_embeddings": True, "tie_output": True},
    },
    "transformer_to_ssru": {**TRANSFORMER, "decoder": "recurrent", "decoder_cell": "ssru"},
}
RECIPE = """
[data]
format = "tsv"
folder = "$RELEASE_DATA"
train = ["train.tsv"]
validation = ["validation.tsv"]
test = ["validation.tsv"]
[tokenizer]
joint = false
vocabulary_size = 0
source_level = "word"
target_level = "word"
[model]
embedding_dim = 8
units = 8
max_length = 9
[training]
epochs = 3
tokens_per_batch = 60
num_shapes = 2
learning_rate = 0.02
average_last = 2
patience = 5
save_every = 2
seed = 3
"""
# Interrupts itself in the second epoch.
INTERRUPTED = """
import os, signal, sys, keras
from keras_seq2seq.cli import main

def note_epoch(self, epoch, logs=None):
    self.current = epoch

def stop(self, batch, logs=None):
    if (self.current, batch) == (1, 5):
        os.kill(os.getpid(), signal.SIGTERM)

keras.callbacks.CSVLogger.on_epoch_begin = note_epoch
keras.callbacks.CSVLogger.on_train_batch_end = stop
sys.exit(main(sys.argv[1:]))
"""


def word_pairs(count: int, seed: int) -> list[tuple[str, str]]:
    """Returns pairs of a language that is translated word for word."""
    draw = random.Random(seed)
    texts = [draw.choices(list(LEXICON), k=draw.randint(1, 6)) for _ in range(count)]
    return [(" ".join(words), " ".join(LEXICON[word] for word in words)) for words in texts]


def built(tokenizers: TokenizerPair, options: dict[str, object]) -> Seq2Seq:
    """Returns a model that has learnt a little, so that its translations differ."""
    keras.utils.set_random_seed(1)
    sizes = tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
    model = Seq2Seq(Seq2SeqConfig(*sizes, **{**SMALL, **options}), tokenizers=tokenizers)
    model.compile(keras.optimizers.Adam(0.01 if options.get("normalization") else 0.03))
    batches = keras_seq2seq.PairBatches(word_pairs(100, 0), tokenizers, num_shapes=1, max_length=9)
    model.fit(batches, epochs=30 if options.get("normalization") else 12, verbose=0)
    return model


def custom(tokenizers: TokenizerPair, seed: int, scale: float, **options: object) -> Seq2Seq:
    """Returns a model of parts that the user built, with weights whose translations differ."""
    sizes = tokenizers.source.vocabulary_size, tokenizers.target.vocabulary_size
    config = Seq2SeqConfig(*sizes, **SMALL, **options)
    keras.utils.set_random_seed(seed)
    encoder, decoder = keras_seq2seq.build_encoder(config), keras_seq2seq.build_decoder(config)
    model = Seq2Seq(encoder=encoder, decoder=decoder, tokenizers=tokenizers)
    for weight in model.trainable_weights:
        weight.assign(weight * scale)
    return model


def said(translator: object, **options: object) -> list[str]:
    return translator.translate(TEXTS, **options)


def write_models(folder: pathlib.Path) -> dict[str, object]:
    folder.mkdir(parents=True)
    expected = {}
    pairs = word_pairs(300, 0)
    tokenizers = TokenizerPair.train(pairs, joint=True, source_level="word", target_level="word")
    models = {name: built(tokenizers, options) for name, options in MODELS.items()}
    models["custom"] = custom(tokenizers, 1, 4.0)
    models["custom_transformer"] = custom(tokenizers, 2, 1.5, **TRANSFORMER)
    for name, model in models.items():
        model.save(folder / f"{name}.keras")
        beam = keras_seq2seq.Translator.from_model(model, strategy=BEAM, max_length=9)
        n_best = [[one.text for one in found] for found in beam.n_best(TEXTS)]
        expected[name] = {"greedy": said(model, max_length=9), "n_best": n_best}
    return expected


def write_bundle(bundle: pathlib.Path, model: Seq2Seq) -> dict[str, object]:
    shortlist = Shortlist.of_texts(word_pairs(100, 0), model.tokenizers, num_candidates=2)
    keras_seq2seq.export(
        model,
        bundle,
        quantization=["float16", "dynamic_int8", "int8"],
        sentences=[text for text in TEXTS if text],
        beam=BEAM,
        shortlist=shortlist if bundle.name == "gru" else None,
        text_onnx=bundle.name == "gru",
        verbose=False,
    )
    found = {
        (runtime, search): said(keras_seq2seq.load(bundle, runtime, search=search))
        for runtime in ("keras", "saved_model", "litert", "onnx")
        for search in ("in_file", "host")
    }
    assert len(set(map(tuple, found.values()))) == 1, found
    n_best = keras_seq2seq.load(bundle, "onnx", strategy=BEAM).n_best(TEXTS)
    return {
        "greedy": found["keras", "in_file"],
        "n_best": [[one.text for one in row] for row in n_best],
    }


def write_run(run: pathlib.Path, *, stopped: bool) -> dict[str, object]:
    """Trains a run; one that is stopped goes on in a copy, to tell how it would have ended."""
    environment = {**os.environ, "RELEASE_DATA": str(run.parent)}

    def train(code: str, folder: pathlib.Path) -> int:
        command = [sys.executable, "-c", code, "train", str(run.parent / "words.toml")]
        return subprocess.run([*command, "--output-dir", str(folder)], env=environment).returncode

    whole = INTERRUPTED.replace("(1, 5)", "None")
    assert train(INTERRUPTED if stopped else whole, run) == (130 if stopped else 0)
    shutil.rmtree(run / "tensorboard")
    (run / "history.png").unlink()
    with tempfile.TemporaryDirectory() as room:
        end = pathlib.Path(shutil.copytree(run, pathlib.Path(room) / "run"))
        if stopped:
            assert train(whole, end) == 0
        model = keras_seq2seq.load_model(end / "model.keras", compile=False)
        return {"greedy": said(model), "history": (end / "history.csv").read_text("utf-8")}


def write_release(folder: pathlib.Path) -> None:
    expected = {"texts": TEXTS, "models": write_models(folder / "models")}
    (folder / "bundles").mkdir()
    expected["bundles"] = {
        name: write_bundle(
            folder / "bundles" / name, keras_seq2seq.load_model(folder / "models" / f"{name}.keras")
        )
        for name in ("gru", "transformer_post")
    }
    runs = folder / "runs"
    runs.mkdir()
    for part, (count, seed) in {"train": (120, 5), "validation": (20, 6)}.items():
        lines = "".join(f"{source}\t{target}\n" for source, target in word_pairs(count, seed))
        (runs / f"{part}.tsv").write_text(lines, "utf-8")
    (runs / "words.toml").write_text(RECIPE, "utf-8")
    expected["runs"] = {
        name: write_run(runs / name, stopped=name == "unfinished")
        for name in ("finished", "unfinished")
    }
    text = json.dumps(expected, indent=1, ensure_ascii=False)
    (folder / "expected.json").write_text(text + "\n", "utf-8")


def main() -> int:
    path = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as room:
        write_release(pathlib.Path(room))
        shutil.make_archive(str(path).removesuffix(".tar.xz"), "xztar", room)
    return 0


if __name__ == "__main__":
    sys.exit(main())
