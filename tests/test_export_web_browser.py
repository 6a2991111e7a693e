"""The kit of export/web in a real browser: a bundle says there what ONNX says in Python."""

import json
import pathlib
import shutil
import sys

import pytest
from conftest import HOSTILE, TEXTS
from kit_models import KIT_MODELS
from web_kit import BEAM, MARKS, browser_bundles, installed_kit

import keras_seq2seq

sys.path.insert(0, str(pathlib.Path(__file__).parent / "mobile"))

from browser import run_in_browser

CHROMIUM = shutil.which("chromium")
pytestmark = [*MARKS, pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")]
QUANTIZATIONS = ("float32", "dynamic_int8")
# Translates the texts one by one, so that an error is that of its text.
SCRIPT = """
const litert = await import("@litertjs/core");
const { openLiteRTTranslator } = await import("./litert.mjs");
await litert.loadLiteRt("./node_modules/@litertjs/core/wasm/");
const found = {};
for (const [name, { bundle, texts, ...options }] of Object.entries(job)) {
  try {
    const translator = await openLiteRTTranslator(new URL(bundle, location.href), litert, options);
    found[name] = [];
    for (const text of texts) {
      const one = translator.translate([text]).then(([row]) => row);
      found[name].push(await one.catch((error) => error.message));
    }
    translator.close();
  } catch (error) {
    found[name] = error.message;
  }
}
return found;
"""


@pytest.fixture(scope="module")
def bundles(subword_tokenizers):
    return browser_bundles(subword_tokenizers)


@pytest.fixture(scope="module")
def found(bundles):
    """What the browser gives for each bundle, quantization and search."""
    jobs = {
        f"{name} {quantization} {search}": {
            "bundle": f"/{name}/",
            "texts": [*TEXTS, *HOSTILE],
            "quantization": quantization,
            "search": search,
        }
        for name in bundles
        for quantization in QUANTIZATIONS
        for search in ("greedy", "beam")
    }
    return run_in_browser(CHROMIUM, installed_kit(), SCRIPT, jobs, bundles)


@pytest.mark.parametrize(
    ("name", "search"), [("gru", "greedy"), ("gru", "beam"), ("transformer", "greedy")]
)
def test_a_browser_gives_the_translations_of_onnx(found, bundles, name, search):
    strategy = BEAM if search == "beam" else None
    expected = keras_seq2seq.load(bundles[name], "onnx", strategy=strategy)
    litert = keras_seq2seq.load(bundles[name], "litert", strategy=strategy)
    longest = max(litert.runtime.source_lengths)
    rows = found[f"{name} float32 {search}"]
    compared = set()
    for text, row in zip([*TEXTS, *HOSTILE], rows, strict=True):
        tokens = len(litert.tokenizers.source.encode([text], add_eos=True)[0])
        if tokens > longest:
            assert f"at most {longest} tokens, end of sentence included. Received: {tokens}" in row
            continue
        wanted = expected.n_best([text])[0]
        assert [(h["ids"], h["text"], h["finished"]) for h in row] == [
            (list(t.hypothesis.ids), t.text, t.hypothesis.finished) for t in wanted
        ]
        for one, other in zip(row, wanted, strict=True):
            assert one["score"] == pytest.approx(other.score, abs=1e-4)
            assert one["ranking"] == pytest.approx(other.hypothesis.ranking, abs=1e-4)
        compared.add(wanted[0].text)
    assert len(compared) > 3


@pytest.mark.parametrize("name", KIT_MODELS)
def test_quantised_files_say_what_they_say_in_python(found, bundles, name):
    translator = keras_seq2seq.load(bundles[name], "litert", quantization="dynamic_int8")
    rows = found[f"{name} dynamic_int8 greedy"][: len(TEXTS)]
    assert [row[0]["text"] for row in rows] == translator.translate(TEXTS)


def test_what_the_bundle_lacks_is_named(found):
    message = "The search must be one that the bundle has, of greedy. Received: beam"
    assert message in found["transformer float32 beam"]


def test_bundles_that_no_browser_runs_are_refused(bundles, tmp_path):
    def changed(name, change):
        folder = tmp_path / name
        shutil.copytree(bundles["transformer"], folder)
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        change(manifest)
        (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        return folder

    folders = {
        "onnx_only": changed("onnx_only", lambda manifest: manifest["artefacts"].pop("litert")),
        "open": changed("open", lambda m: m["artefacts"]["litert"].pop("source_lengths")),
        "cut": changed("cut", lambda manifest: None),
    }
    model = folders["cut"] / "litert" / "model_float32.tflite"
    model.write_bytes(model.read_bytes()[:-4])
    jobs = {name: {"bundle": f"/{name}/", "texts": []} for name in folders}
    received = run_in_browser(CHROMIUM, installed_kit(), SCRIPT, jobs, folders)
    assert "must hold LiteRT files" in received["onnx_only"]
    assert "must have fixed source lengths" in received["open"]
    assert "model_float32.tflite must have" in received["cut"]
