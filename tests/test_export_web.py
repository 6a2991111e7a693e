"""The kit of export/web: the ONNX files of a bundle say in JavaScript what they say in Python."""

import json
import shutil
import subprocess

import pytest
from conftest import HOSTILE, TEXTS
from kit_models import kit_models
from web_kit import MARKS, installed_kit

import keras_seq2seq
from keras_seq2seq.exporters import outside_weights

pytestmark = MARKS
BEAM = keras_seq2seq.BeamSearch(3, 2)
RUNTIMES = {"node": "onnxruntime-node", "web": "onnxruntime-web"}
# Reads {bundle: {search: texts}}, prints {bundle: {search: hypotheses}}; an error is its message.
# A search may be followed by a quantization; int8 products depend on the batch, so texts go alone.
DRIVER = """
import { readFileSync } from "node:fs";
import { openTranslator } from "./translate.mjs";
const ort = await import(process.argv[2]);
ort.env.wasm.numThreads = 1;
const found = {};
for (const [bundle, searches] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  found[bundle] = {};
  for (const [search, texts] of Object.entries(searches)) {
    const [name, quantization = "float32"] = search.split(" ");
    const options = { search: name, quantization, sessionOptions: { intraOpNumThreads: 1 } };
    const batchSize = quantization === "float32" ? 5 : 1;
    try {
      const translator = await openTranslator(bundle, ort, options);
      found[bundle][search] = await translator.translate(texts, { batchSize });
    } catch (error) {
      found[bundle][search] = error.message;
    }
  }
}
console.log(JSON.stringify(found));
"""


@pytest.fixture(scope="module")
def kit():
    folder = installed_kit()
    (folder / "driver.mjs").write_text(DRIVER, "utf-8")
    return folder


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def bundles(tmp_path_factory, subword_tokenizers, monkeypatch_module):
    """A bundle of each model, of the Transformer also one with Attention nodes.

    That of the GRU has a beam search inside.
    """
    folders = {}
    models = dict(kit_models(subword_tokenizers))
    models["transformer_23"] = models["transformer"]
    # Tiny models have no weights that files share, so smaller ones count as large.
    monkeypatch_module.setattr(outside_weights, "SMALLEST", 256)
    for name, model in models.items():
        folders[name] = tmp_path_factory.mktemp("bundles") / name
        parity = keras_seq2seq.export(
            model,
            folders[name],
            formats=["onnx"],
            quantization=["float16", "dynamic_int8"],
            beam=BEAM if name == "gru" else None,
            onnx_opset=23 if name.endswith("23") else 17,
            onnx_single_files=name == "transformer",
            sentences=TEXTS,
            verbose=False,
        )
        assert parity.passed, str(parity)
        shares = (folders[name] / "onnx" / "weights_float32.bin").is_file()
        assert shares is (name != "transformer")
    return folders


def run_driver(kit, runtime, asked):
    done = subprocess.run(
        ["node", "driver.mjs", RUNTIMES[runtime]],
        input=json.dumps({str(folder): searches for folder, searches in asked.items()}),
        cwd=kit,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def same(received, expected):
    """Compares hypotheses of JavaScript with those of Python."""
    assert [(h["ids"], h["text"], h["finished"]) for h in received] == [
        (list(t.hypothesis.ids), t.text, t.hypothesis.finished) for t in expected
    ]
    for one, other in zip(received, expected, strict=True):
        assert one["score"] == pytest.approx(other.score, abs=1e-4)
        assert one["confidence"] == pytest.approx(other.confidence, abs=1e-4)
        assert one["ranking"] == pytest.approx(other.hypothesis.ranking, abs=1e-4)


def changed_copy(folder, copy, **changes):
    """Returns a copy of a bundle with another manifest."""
    shutil.copytree(folder, copy)
    path = copy / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")
    return copy


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_search_gives_the_ids_and_the_texts_of_python(kit, bundles, runtime):
    texts = [*TEXTS, *HOSTILE]
    searches = {
        "gru": ("greedy", "beam", "steps"),
        "transformer": ("greedy", "steps"),
        "transformer_23": ("greedy",),
    }
    asked = {bundles[name]: dict.fromkeys(searches[name], texts) for name in searches}
    found = run_driver(kit, runtime, asked)
    for folder, names in asked.items():
        for search in names:
            strategy = BEAM if search == "beam" else None
            expected = keras_seq2seq.load(folder, "onnx", strategy=strategy).n_best(texts)
            assert len({best.text for best, *_ in expected}) > 3
            received = found[str(folder)][search]
            assert len(received) == len(texts)
            for row, wanted in zip(received, expected, strict=True):
                same(row, wanted)
            for row, wanted in zip(received[: len(TEXTS)], expected, strict=False):
                for one, other in zip(row, wanted, strict=True):
                    assert [tuple(pair) for pair in one["alignment"]["pairs"]] == other.alignment
                    assert " ".join(one["alignment"]["target"]) == one["text"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_quantised_files_say_what_they_say_in_python(kit, bundles, runtime):
    searches = ("greedy float16", "steps float16", "greedy dynamic_int8", "steps dynamic_int8")
    asked = {folder: dict.fromkeys(searches, TEXTS) for folder in bundles.values()}
    found = run_driver(kit, runtime, asked)
    for folder in asked:
        for quantization in ("float16", "dynamic_int8"):
            translator = keras_seq2seq.load(folder, "onnx", quantization=quantization)
            expected = [best.text for best, *_ in translator.n_best(TEXTS, batch_size=1)]
            for search in ("greedy", "steps"):
                received = found[str(folder)][f"{search} {quantization}"]
                assert [row[0]["text"] for row in received] == expected


def test_what_is_no_whole_bundle_is_refused(kit, bundles, tmp_path):
    folder = bundles["transformer"]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    outside = {"source": "../secret", "target": "../secret"}
    files = {**manifest["files"], "../secret": {"bytes": 6, "sha256": ""}}
    (tmp_path / "secret").write_text("secret")
    cut = changed_copy(folder, tmp_path / "cut")
    altered = changed_copy(folder, tmp_path / "altered")
    model = cut / "onnx" / "translate_greedy.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:-1])
    (altered / "onnx" / "translate_greedy.onnx").write_bytes(content[:-1] + b"x")
    keras_only = {"keras": manifest["artefacts"]["keras"]}
    messages = {
        tmp_path / "absent": "must hold a manifest.json",
        changed_copy(folder, tmp_path / "newer", format_version=99): "Received: 99",
        changed_copy(folder, tmp_path / "keras", artefacts=keras_only): "must hold ONNX files",
        changed_copy(
            folder, tmp_path / "way_out", tokenizer=outside, files=files
        ): "lie in the bundle. Received: ../secret",
        cut: f"must have {len(content)} bytes. Received: {len(content) - 1}",
        altered: "must have the SHA-256",
    }
    found = run_driver(kit, "node", {path: {"greedy": ["the dog"]} for path in messages})
    for path, message in messages.items():
        assert message in found[str(path)]["greedy"]
    found = run_driver(kit, "node", {folder: {"beam": []}})
    assert "must be one that the bundle has, of greedy,steps" in found[str(folder)]["beam"]


def test_the_smallest_weights_can_be_asked_for(kit, bundles):
    folder = bundles["gru"]
    found = run_driver(kit, "node", {folder: {"greedy smallest": TEXTS}})
    bundle = keras_seq2seq.Bundle.open(folder)
    sizes = {
        name: bundle.size("onnx", name) for name in bundle.manifest["artefacts"]["onnx"]["files"]
    }
    translator = keras_seq2seq.load(folder, "onnx", quantization=min(sizes, key=sizes.get))
    expected = [best.text for best, *_ in translator.n_best(TEXTS, batch_size=1)]
    assert [row[0]["text"] for row in found[str(folder)]["greedy smallest"]] == expected


def test_a_text_that_is_longer_than_the_learned_positions_is_refused(kit, bundles, tmp_path):
    folder = bundles["transformer"]
    model = json.loads((folder / "manifest.json").read_text("utf-8"))["model"]
    learned = {**model, "positions": "learned", "max_length": 8}
    copy = changed_copy(folder, tmp_path / "learned", model=learned)
    asked = {"greedy": ["the dog"], "steps": ["dog " * 40]}
    found = run_driver(kit, "node", {folder: asked, copy: asked})
    assert found[str(folder)]["steps"][0] and found[str(copy)]["greedy"][0]
    assert "A text must have at most 8 tokens" in found[str(copy)]["steps"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_lines_become_lines(kit, bundles, runtime):
    lines = [b"the dog", b"", b"a \xff\xfe bird", "zebra ☂".encode(), b"the\0dog"]
    command = ["node", "translate_lines.mjs", str(bundles["gru"]), "--runtime", runtime]
    done = subprocess.run(
        [*command, "--search", "beam"], input=b"\r\n".join(lines), cwd=kit, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    translator = keras_seq2seq.load(bundles["gru"], "onnx", strategy=BEAM)
    expected = translator.translate([line.decode("utf-8", "replace") for line in lines])
    assert done.stdout.decode().split("\n") == [*expected, ""]


def test_the_command_names_what_is_wrong(kit, bundles):
    command = ["node", "translate_lines.mjs", str(bundles["gru"]), "--runtime", "deno"]
    done = subprocess.run(command, input=b"", cwd=kit, capture_output=True)
    assert done.returncode == 1
    assert b"--runtime must be one of node,web. Received: " in done.stderr
