"""Uses one extra of an installed keras_seq2seq as its users do: use_extra.py EXTRA RELEASE."""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
if sys.argv[1:2] == ["jax"]:
    os.environ["KERAS_BACKEND"] = "jax"

import keras_seq2seq

RUNTIMES = {"litert": ["litert"], "onnx-runtime": ["onnx"], "tensorflow": ["saved_model", "keras"]}


def lacks(*packages: str) -> None:
    """Checks that packages are not installed: an extra brings what it needs and no more."""
    found = [name for name in packages if importlib.util.find_spec(name)]
    assert not found, f"not needed, but installed: {found}"


def translates(release: pathlib.Path, *runtimes: str) -> None:
    """Translates with a bundle of the first release, in each runtime and by its default one."""
    expected = json.loads((release / "expected.json").read_text("utf-8"))
    for name, wanted in expected["bundles"].items():
        bundle = release / "bundles" / name
        for runtime in (*runtimes, None):
            translator = keras_seq2seq.load(bundle, runtime)
            assert translator.translate(expected["texts"]) == wanted["greedy"], (name, runtime)
        command = [sys.executable, "-m", "keras_seq2seq.cli", "translate", str(bundle)]
        given = "\n".join(expected["texts"]) + "\n"
        found = subprocess.run(command, input=given, capture_output=True, text=True, check=True)
        assert found.stdout.splitlines() == wanted["greedy"], found.stdout


def serves(release: pathlib.Path) -> None:
    """Asks the server of the command, over the page and over HTTP, and stops it."""
    expected = json.loads((release / "expected.json").read_text("utf-8"))
    for name, wanted in expected["bundles"].items():
        command = [sys.executable, "-m", "keras_seq2seq.cli", "serve", "--port", "0"]
        command += ["--languages", "en", "fr", str(release / "bundles" / name)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            told = process.stderr.readline()
            address = re.search(r" at (http://\S+): ", told)[1]
            fields = {"q": expected["texts"], "source": "en", "target": "fr"}
            body, kind = json.dumps(fields).encode(), {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{address}/translate", body, kind)
            with urllib.request.urlopen(request) as answer:
                found = json.load(answer)["translatedText"]
            # Without options it takes the beam of the bundle.
            beam = keras_seq2seq.Bundle.open(release / "bundles" / name).beam
            said = keras_seq2seq.load(release / "bundles" / name, strategy=beam)
            assert found == said.translate(expected["texts"]), found
            assert beam or found == wanted["greedy"], found
            assert "<title>" in urllib.request.urlopen(address).read().decode()
        finally:
            process.terminate()
            assert process.wait() == -signal.SIGTERM


def small_model(release: pathlib.Path) -> "keras_seq2seq.Seq2Seq":
    """Fits a small model to the corpus of the release."""
    import keras

    lines = (release / "runs" / "train.tsv").read_text("utf-8").splitlines()
    pairs = [tuple(line.split("\t")) for line in lines]
    tokenizers = keras_seq2seq.TokenizerPair.train(
        pairs, joint=True, source_level="word", target_level="word"
    )
    config = keras_seq2seq.Seq2SeqConfig(
        *tokenizers.vocabulary_sizes, embedding_dim=8, units=8, max_length=9
    )
    keras.utils.set_random_seed(1)
    model = keras_seq2seq.Seq2Seq(config, tokenizers=tokenizers)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    batches = keras_seq2seq.PairBatches(pairs, tokenizers, num_shapes=1, max_length=9)
    losses = model.fit(batches, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0], losses
    assert isinstance(model.translate("the dog"), str)
    return model


def trains(release: pathlib.Path) -> None:
    """Runs a recipe by the command, to its report."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        command = [sys.executable, "-m", "keras_seq2seq.cli", "train"]
        command += [str(release / "runs" / "words.toml"), "--output-dir", str(run)]
        environment = {**os.environ, "RELEASE_DATA": str(release / "runs")}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        report = json.loads((run / "report.json").read_text("utf-8"))
        assert report["epochs"] == 3 and "bleu" in report["test"], report
        assert {path.name for path in run.iterdir()} >= {"history.png", "tensorboard"}


def exports(model: "keras_seq2seq.Seq2Seq") -> None:
    """Writes every format, which export verifies against the Keras model."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = pathlib.Path(folder) / "bundle"
        parity = keras_seq2seq.export(model, bundle, sentences=["the dog"], verbose=False)
        assert parity.passed, str(parity)
        shutil.rmtree(bundle)


def prepares(release: pathlib.Path) -> None:
    """Reads a Parquet file and prepares its pairs, without Keras."""
    import pyarrow
    import pyarrow.parquet

    lines = (release / "runs" / "train.tsv").read_text("utf-8").splitlines()
    sources, targets = zip(*(line.split("\t") for line in lines), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        table = pyarrow.table({"en": sources, "fr": targets})
        pyarrow.parquet.write_table(table, pathlib.Path(folder) / "pairs.parquet")
        data = {"format": "parquet", "folder": folder, "train": ["pairs.parquet"]}
        data |= {"source_field": "en", "target_field": "fr", "policy": "drop"}
        levels = {"source_level": "word", "target_level": "word", "vocabulary_size": 0}
        recipe = keras_seq2seq.Recipe.from_tables({"data": data, "tokenizer": levels})
        prepared = keras_seq2seq.prepare(recipe, pathlib.Path(folder) / "prepared")
        assert prepared[0] in zip(sources, targets, strict=True), prepared[0]


def main() -> int:
    extra, release = sys.argv[1], pathlib.Path(sys.argv[2])
    if extra == "serve,onnx-runtime":
        lacks("keras", "tensorflow", "jax", "onnx", "matplotlib", "pandas")
        serves(release)
    elif extra in ("litert", "onnx-runtime"):
        lacks("keras", "tensorflow", "jax", "onnx", "matplotlib")
        translates(release, *RUNTIMES[extra])
    elif extra == "parquet":
        lacks("keras", "tensorflow", "jax", "pandas", "matplotlib")
        prepares(release)
    elif extra == "jax":
        lacks("tensorflow", "onnxruntime", "ai_edge_litert")
        small_model(release)
    elif extra == "tensorflow":
        lacks("onnxruntime", "ai_edge_litert", "jax")
        translates(release, *RUNTIMES[extra])
        small_model(release)
    elif extra == "train":
        lacks("onnxruntime", "ai_edge_litert", "jax")
        trains(release)
    elif extra == "export":
        lacks("sacrebleu", "matplotlib", "jax")
        exports(small_model(release))
    else:
        translates(release, "onnx", "litert", "saved_model", "keras")
        trains(release)
        exports(small_model(release))
    return 0


if __name__ == "__main__":
    sys.exit(main())
