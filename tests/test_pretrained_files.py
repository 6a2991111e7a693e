"""Files of imported models: equal to Keras on hostile lines, and taken by the kits of export/."""

import json
import subprocess
import sys

import mobile_kit
import pytest
from conftest import HOSTILE, ROOT
from test_pretrained_hf_marian import folders
from test_pretrained_marian_engine import folder
from written_once import written_once

import keras_seq2seq
from keras_seq2seq import import_pretrained
from keras_seq2seq.text.lines import clean_text

pytestmark = pytest.mark.long
MAX_LENGTH, LONGEST_SOURCE = 24, 64
MODELS, IN_KITS = ("tied", "student"), ("student",)
KITS = ROOT / "export"


def path_of(name):
    return folder(name) if name == "student" else folders() / name


def lines_of(name):
    """Returns hostile lines, and texts that the model knows."""
    path = ROOT / "tests" / "data" / "pretrained_hf_hostile.json"
    hostile = [*json.loads(path.read_text("utf-8"))["lines"], *HOSTILE]
    known = json.loads((path_of(name) / "expected.json").read_text("utf-8"))["texts"]
    return [*hostile, *known[:8]]


def bundle(name):
    """Returns a bundle of an imported model with its own search inside, verified on its lines."""

    def write(room):
        found = import_pretrained(path_of(name), max_length=MAX_LENGTH)
        parity = keras_seq2seq.export(
            found.model,
            room / "bundle",
            quantization="float32",
            sentences=lines_of(name),
            beam=found.strategy,
            text_onnx=True,
            max_source_length=LONGEST_SOURCE,
            verbose=False,
        )
        (room / "parity.json").write_text(json.dumps(parity.to_dict()), "utf-8")

    return written_once(f"imported_{name}", write) / "bundle"


def of_python(name, texts):
    """Returns what the Keras model of a bundle translates with the search of its import."""
    found = keras_seq2seq.Bundle.open(bundle(name))
    translator = keras_seq2seq.load(bundle(name), "keras", strategy=found.beam)
    return translator.n_best(texts)


def short(name):
    """Returns the lines that files for phones take, as lines of standard input."""
    tokenizer = keras_seq2seq.Bundle.open(bundle(name)).tokenizers.source
    lines = [" ".join(line.splitlines()) for line in lines_of(name)]
    return [line for line in lines if len(tokenizer.encode(clean_text(line))) < LONGEST_SOURCE]


@pytest.mark.parametrize("name", MODELS)
def test_every_file_is_equal_to_keras_on_hostile_lines(name):
    rows = json.loads((bundle(name).parent / "parity.json").read_text("utf-8"))["agreements"]
    count = len(lines_of(name))
    assert {row["identical"] for row in rows} == {count}, rows
    ways = {(row["runtime"], row["search"]) for row in rows}
    for runtime in ("keras", "onnx", "litert", "saved_model"):
        for search in ("in_file", "host", "beam in_file", "beam host"):
            assert (runtime, search) in ways
    assert ("saved_model", "text") in ways
    assert any(runtime == "onnx" and "text" in search for runtime, search in ways), ways
    # "tied" hardly reads its source; its scores are compared all the same.
    assert len({row[0].text for row in of_python(name, lines_of(name))}) > 2


@pytest.mark.parametrize("name", IN_KITS)
def test_the_kit_for_browsers_takes_an_imported_model(name):
    from web_kit import MARKS, installed_kit

    if any(mark.args[0] for mark in MARKS):
        pytest.skip("needs the checkout, npm and node")
    command = ["node", "translate_lines.mjs", str(bundle(name)), "--search", "beam"]
    given = "".join(f"{line}\n" for line in short(name)).encode()
    done = subprocess.run(command, input=given, cwd=installed_kit(), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    expected = [best.text for best, *_ in of_python(name, short(name))]
    assert done.stdout.decode().split("\n") == [*expected, ""]


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    if mobile_kit.MISSING:
        pytest.skip(f"not installed: {', '.join(mobile_kit.MISSING)}")
    room = tmp_path_factory.mktemp("mobile")
    try:
        library = mobile_kit.tflite_library(room)
    except (mobile_kit.Unavailable, subprocess.TimeoutExpired) as error:
        pytest.skip(str(error))
    built = mobile_kit.build(room / "build", library, "-DSEQ2SEQ_JNI=OFF")
    running = mobile_kit.Kit(built / "libseq2seq_translator.so")
    yield running
    running.end()


@pytest.mark.parametrize("name", IN_KITS)
def test_the_kit_for_phones_takes_an_imported_model(phone, name):
    translator = phone.open(bundle(name), beam=1)
    found = phone.translate_in_threads(translator, short(name), 1)
    expected = of_python(name, short(name))
    assert [(row[0].text, tuple(row[0].ids)) for row in found] == [
        (best.text, tuple(best.hypothesis.ids)) for best, *_ in expected
    ]


@pytest.mark.parametrize("name", IN_KITS)
def test_the_kit_for_servers_takes_an_imported_model(name, tmp_path):
    pytest.importorskip("tensorflow_serving", reason="needs tensorflow-serving-api")
    from serving_stand_in import Models, rest_server

    kit = KITS / "tf_serving"
    subprocess.run(["bash", kit / "prepare.sh", bundle(name), tmp_path, "1"], check=True)
    texts = [text for text in short(name) if text.isprintable() and text.strip()]
    with rest_server(Models.of(tmp_path, {})) as port:
        server = ["--server", f"http://127.0.0.1:{port}"]
        command = [sys.executable, str(kit / "client_rest.py"), *server, "--", *texts]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = [line.removesuffix("[cut]").strip() for line in done.stdout.splitlines()]
    assert found == [best.text for best, *_ in of_python(name, texts)]
