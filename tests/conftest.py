"""What the tests share: a tiny language, tiny models with real outputs, a subprocess runner."""

import gc
import importlib.util
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import hypothesis
import numpy as np
import pytest
from written_once import FOLDER, written_once

# Scripts that are run by hand, some with packages that the tests do without.
collect_ignore = ["data"]

# As in setup.cfg: Keras hands its variables to NumPy in the old way.
WARNINGS = ["error", "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"]
# A machine that does other work too is slow at any moment, which is no fault of a test.
hypothesis.settings.register_profile(
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")
ROOT = pathlib.Path(__file__).parent.parent
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed"
)
# Files that export, train or start processes: marked `slow`, the others are done in a minute.
SLOW = {
    *("test_bad_input", "test_beam_in_files", "test_bundles_bundle", "test_bundles_manifest"),
    *("test_cli_bundle", "test_cli_main", "test_cli_signals", "test_cli_streams"),
    "test_cli_prompt",
    *("test_cli_tensorflow_start", "test_decoding_shortlist", "test_export_mobile"),
    *("test_export_bulk", "test_export_web", "test_cli_serve", "test_serving_tensorflow_rest"),
    *("test_export_web_page", "test_export_web_serve"),
    "test_documentation",
    *(
        "test_exporters_litert_int8",
        "test_exporters_litert_writer",
        "test_exporters_onnx_native_norm",
    ),
    *("test_exporters_onnx_quantization", "test_exporters_onnx_text", "test_exporters_onnx_writer"),
    *("test_exporters_saved_model_writer", "test_formats", "test_inspection_bundle_folder"),
    *("test_inspection_litert_file", "test_inspection_onnx_file", "test_jax", "test_models_gru"),
    *("test_inspection_saved_model_folder", "test_models_contract", "test_models_transformer"),
    *("test_release", "test_runtimes_litert", "test_runtimes_onnx", "test_runtimes_saved_model"),
    *("test_saved_model_c_api", "test_saved_model_requests", "test_seq2seq", "test_serving_kit"),
    *("test_serving_clients", "test_serving_deployment"),
    *(
        "test_streaming",
        "test_training_averaging",
        "test_training_batches",
        "test_training_callbacks",
    ),
    *("test_training_initial_model", "test_training_resumable_fit", "test_training_scripts"),
    *(
        "test_training_tensorboard",
        "test_training_options",
        "test_training_prepare",
        "test_training_train",
        "test_translator",
    ),
    *(
        "test_pretrained_hf_marian",
        "test_pretrained_marian",
        "test_pretrained_run",
        "test_pretrained_marian_engine",
    ),
    *(
        "test_training_devices",
        "test_models_output_chunks",
        "test_training_channel",
        "test_training_processes",
    ),
    *("test_models_replicas", "test_training_batch_reading", "test_training_callback_memory"),
    *("test_verification_parity", "test_verification_quality_gate", "test_verification_report"),
}
LEXICON = {
    "the": "le",
    "a": "un",
    "dog": "chien",
    "cat": "chat",
    "bird": "oiseau",
    "sees": "voit",
    "wants": "veut",
    "finds": "trouve",
    "red": "rouge",
    "small": "petit",
    "old": "vieux",
    "here": "ici",
    "now": "maintenant",
}
TEXTS = ["the dog", "a cat sees the old bird here", "", "bird", "the red cat wants a dog here"]
HOSTILE = [
    "\0the\0dog\0",
    "  the \t dog\r\n",
    "zebra ☂ 日本語 العربية",
    "👩‍👩‍👧 🇫🇷",
    "e\u0301 ﬁ ① ½ ｆｕｌｌ",
    "\ufeff\u200b\u202ethe\ufffd\uffff\x01\x7f",
    "</s> <s> <unk> <0x41> ▁",
    "dog " * 40,
]


def word_pairs(count, seed=0, longest=6):
    """Returns pairs of a language that is translated word for word."""
    draw = random.Random(seed)
    texts = [draw.choices(list(LEXICON), k=draw.randint(1, longest)) for _ in range(count)]
    return [(" ".join(words), " ".join(LEXICON[w] for w in words)) for words in texts]


def tiny_config(**options):
    from keras_seq2seq import Seq2SeqConfig

    defaults = {
        "source_vocabulary_size": 17,
        "target_vocabulary_size": 17,
        "embedding_dim": 8,
        "units": 8,
        "attention": "general",
        "max_length": 9,
    }
    return Seq2SeqConfig(**{**defaults, **options})


def tiny_model(config=None, *, scale=4.0, seed=0, **options):
    """Returns a model with weights so large that its outputs depend on its inputs."""
    import keras

    from keras_seq2seq import Seq2Seq

    keras.utils.set_random_seed(seed)
    model = Seq2Seq(config or tiny_config(), **options)
    for weight in model.trainable_weights:
        weight.assign(weight * scale)
    return model


def random_ids(rows, length, seed=0, *, start=None):
    """Returns ids, int32, (rows, length): row i has i pads at the end, eos before them."""
    draw = np.random.default_rng(seed)
    ids = draw.integers(4, 17, (rows, length)).astype("int32")
    for row in range(rows):
        end = max(1, length - row)
        ids[row, end:] = 0
        if start is None:
            ids[row, end - 1] = 3
    if start is not None:
        ids[:, 0] = start
    return ids


def run_python(code, *arguments, check=True, **environment):
    """Runs code in a fresh interpreter; returns the completed process."""
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    options = [f"-W{warning}" for warning in WARNINGS]
    process = subprocess.run(
        [sys.executable, *options, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        cwd=ROOT / "tests",
        timeout=1200,
    )
    assert not check or process.returncode == 0, process.stderr
    return process


def last_json(process):
    """Returns the JSON of the last line that a process printed."""
    return json.loads(process.stdout.strip().splitlines()[-1])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Leaves out long tests that have not begun at `TESTS_UNTIL`, seconds of Unix."""
    until = float(os.environ.get("TESTS_UNTIL", "inf"))
    if item.get_closest_marker("long") and time.time() > until:
        pytest.skip(f"no time was left for {item.path.name}")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker("slow")


@pytest.fixture(scope="session", autouse=True)
def folder_of_the_run(tmp_path_factory):
    """Tells `written_once` where all workers of this run find what one of them has written."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "written_once"
    folder.mkdir(exist_ok=True)
    os.environ[FOLDER] = str(folder)


def word_tokenizers(joint=False):
    from keras_seq2seq import TokenizerPair

    pairs = word_pairs(300)
    return TokenizerPair.train(pairs, joint=joint, source_level="word", target_level="word")


@pytest.fixture(scope="module", autouse=True)
def what_a_file_leaves():
    """Keeps graphs that a file of tests leaves from being looked through by all that follow."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tokenizers():
    """One tokenizer a side, a word is a token: 17 ids, as many as a tiny model has."""
    return word_tokenizers()


@pytest.fixture(scope="session")
def subword_tokenizers():
    from keras_seq2seq import TokenizerPair

    return TokenizerPair.train(word_pairs(300), (285, 285))


@pytest.fixture(scope="session")
def translating_model(tokenizers):
    """A model with tokenizers that translates to more than nothing; do not change it."""
    config = tiny_config(
        source_vocabulary_size=tokenizers.source.vocabulary_size,
        target_vocabulary_size=tokenizers.target.vocabulary_size,
    )
    return tiny_model(config, tokenizers=tokenizers)


@pytest.fixture(scope="session")
def release():
    """The folder of everything that release 0.1.0 wrote; do not change it."""

    def extract(folder):
        with tarfile.open(ROOT / "tests" / "data" / "release_0_1_0.tar.xz") as archive:
            archive.extractall(folder, filter="data")

    return written_once("release_0_1_0", extract)


@pytest.fixture(scope="session")
def bundle_of_all_formats(translating_model):
    """A bundle of every format and weights, verified; do not change it."""
    import keras_seq2seq

    def write(room):
        sources = [text for text in TEXTS if text]
        keras_seq2seq.export(translating_model, room / "bundle", sentences=sources, verbose=False)

    return written_once("bundle_of_all_formats", write) / "bundle"


@pytest.fixture(scope="session")
def onnx_bundle(translating_model):
    """A bundle of ONNX files with a beam inside, judged, timed and verified; do not change it."""
    import keras_seq2seq

    def write(room):
        sources = [source for source, _ in word_pairs(6, seed=3)]
        keras_seq2seq.export(
            translating_model,
            room / "bundle",
            formats=["onnx"],
            evaluation=list(zip(sources, translating_model.translate(sources), strict=True)),
            quality_metric="chrf",
            max_quality_drop=100,
            max_repetition_rise=100,
            sentences=TEXTS,
            beam=keras_seq2seq.BeamSearch(3, 2),
            languages=("en", "fr"),
            quality={"bleu": 31.5, "bleu_signature": "nrefs:1|tok:none|version:2", "sentences": 6},
            verbose=False,
        )

    return written_once("onnx_bundle", write) / "bundle"


@pytest.fixture
def copied_bundle(onnx_bundle, tmp_path):
    """A copy of `onnx_bundle` to do harm to."""
    return pathlib.Path(shutil.copytree(onnx_bundle, tmp_path / "copy"))
