"""The page of export/web in a real browser, used as people do; the package that others import.

The browser is Chromium; WEB_BROWSER=/usr/bin/firefox-esr names another one.
"""

import json
import os
import shutil
import subprocess

import pytest
from conftest import TEXTS
from web_kit import BEAM, KIT, MARKS, browser_bundles, installed_kit, installed_tools

import keras_seq2seq

BROWSER = os.environ.get("WEB_BROWSER") or shutil.which("chromium")
pytestmark = MARKS
needs_a_browser = pytest.mark.skipif(not BROWSER, reason="chromium is not installed")
LINES = [text for text in TEXTS if text.strip()][:3]


@pytest.fixture(scope="module")
def bundles(subword_tokenizers):
    return browser_bundles(subword_tokenizers)


def build(bundle, site, *options):
    command = ["node", "build_site.mjs", str(bundle), str(site), *options]
    return subprocess.run(command, cwd=installed_kit(), capture_output=True, text=True)


@pytest.fixture(scope="module")
def sites(bundles, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sites")
    for name, bundle in bundles.items():
        done = build(bundle, folder / name)
        assert done.returncode == 0, done.stderr
    done = build(bundles["gru"], folder / "plain", "--plain")
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder / "transformer", folder / "altered")
    model = folder / "altered" / "bundle" / "onnx" / "translate_greedy_dynamic_int8.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    shutil.copytree(folder / "transformer", folder / "updated")
    shutil.copytree(folder / "gru" / "bundle", folder / "new_bundle")
    return folder


@pytest.fixture(scope="module")
def found(sites):
    """What the page showed in each check of check_page.mjs."""
    job = {"folder": str(sites), "browser": BROWSER, "texts": LINES}
    done = subprocess.run(
        ["node", "check_page.mjs"],
        input=json.dumps(job),
        cwd=installed_tools(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    failed = {name: one["failed"] for name, one in answer.items() if "failed" in one}
    assert not failed, "\n".join(failed.values())
    return answer


def translations(bundle, runtime="onnx", quantization="dynamic_int8", strategy=None):
    translator = keras_seq2seq.load(bundle, runtime, quantization=quantization, strategy=strategy)
    return translator.n_best(LINES, batch_size=1)


def best(n_bests):
    return [translation.text for translation, *_ in n_bests]


@needs_a_browser
def test_title_labels_and_languages_are_those_of_the_manifest(found):
    names = ["English", "Canadian French"]
    assert found["languages"] == {
        "title": f"{names[0]} to {names[1]}",
        "labels": [f"{names[0]} text", f"{names[1]} translation"],
        "codes": ["en", "en", "fr-CA"],
        "without": "Translate",
    }


@needs_a_browser
@pytest.mark.parametrize("runtime", ["onnx", "litert"])
def test_each_runtime_gives_the_translations_of_python(found, bundles, runtime):
    shown = found["runtimes"]
    expected = best(translations(bundles["gru"], runtime))
    assert shown[runtime]["lines"] == shown[f"plain {runtime}"]["lines"] == expected
    assert shown[runtime]["about"].startswith("Weights in dynamic_int8")
    beam = translations(bundles["gru"], runtime, "float32", BEAM)
    assert shown[f"{runtime} beam"]["lines"] == best(beam)
    assert shown[f"{runtime} beam"]["others"] == [t.text for _, *rest in beam for t in rest]
    assert not [error for one in shown.values() for error in one["errors"]]


@needs_a_browser
def test_float32_can_be_asked_for(found, bundles):
    shown = found["runtimes"]["onnx float32"]
    assert shown["lines"] == best(translations(bundles["gru"], quantization="float32"))
    assert shown["about"].startswith("Weights in float32")


@needs_a_browser
def test_words_light_up_with_those_that_they_come_from(found, bundles):
    translation = translations(bundles["gru"])[0][0]
    sources, targets = LINES[0].split(), translation.text.split()
    pairs = [[sources[s], targets[t]] for s, t in translation.alignment]
    assert found["pointer"] == {"linked": pairs[0], "after": 0}
    assert found["keyboard"]["line"] == translation.text
    # Three times to the right, or as far as there are words.
    expected = [pairs[min(i, len(pairs) - 1)] for i in range(3)]
    assert found["keyboard"]["pairs"] == [[p, f"{p[1]}: {p[0]}"] for p in expected]


@needs_a_browser
def test_errors_are_told_in_words(found):
    errors = found["errors"]
    messages = {
        "gru/?quantization=int3": "The quantization must be one that the bundle has, of float32,",
        "gru/?runtime=tflite": "The runtime must be one of onnx,litert. Received: tflite",
        "gru/?bundle=none/": "A bundle must hold a manifest.json. Received: ",
        "altered/": "translate_greedy_dynamic_int8.onnx must have the SHA-256",
    }
    for query, message in messages.items():
        assert message in errors[query]["status"] and errors[query]["disabled"]
    assert "A text must have at most 24 tokens" in errors["long"]["status"]
    assert not errors["long"]["disabled"] and len(errors["after"]) == 1
    assert errors["empty"] == "There is no text to translate."


@needs_a_browser
def test_the_translation_is_copied(found):
    assert found["copy"]["copied"] == "\n".join(found["copy"]["shown"])


@needs_a_browser
def test_two_hundred_lines_do_not_block_the_page(found, bundles):
    long = found["long"]
    once = best(translations(bundles["gru"]))
    assert long["shown"] == [once[i % 3] for i in range(200)]
    # Of the time, by the longest task of the page; 0.9 without a worker.
    assert long["blocked"] < 0.2
    assert 0 < long["stopped"]["lines"] < 600
    assert long["stopped"]["status"] == f"Stopped: {long['stopped']['lines']} of 600 lines."


@needs_a_browser
def test_a_phone_shows_it_without_scrolling_sideways(found):
    phone = found["phone"]
    # Firefox has a scroll bar of 12.
    assert phone["scrollWidth"] <= phone["clientWidth"] and phone["clientWidth"] in (360, 348)
    assert phone["lowest"] >= 44 and phone["violations"] == []


@needs_a_browser
def test_axe_finds_no_fault(found):
    assert len(found["accessibility"]) == 6
    assert {name: one for name, one in found["accessibility"].items() if one} == {}


@needs_a_browser
@pytest.mark.parametrize("query", ["gru/", "gru/?runtime=litert"])
def test_it_works_offline_after_the_first_visit(found, query):
    offline = found["offline"][query]
    assert offline["ready"] == "Ready, also without a network."
    assert len(offline["after"]) == 3 and offline["after"] == offline["before"]


@needs_a_browser
def test_a_new_bundle_is_taken_and_the_old_one_forgotten(found, bundles):
    update = found["update"]
    assert update["before"] == best(translations(bundles["transformer"]))
    assert update["after"] == best(translations(bundles["gru"]))
    assert update["keptAfter"] == update["kept"]


def test_a_site_holds_what_the_page_needs_and_no_more(sites):
    site = sites / "gru"
    listed = (site / "service_worker.js").read_text("utf-8")
    names = {path.name for path in site.iterdir()} - {"bundle", "runtimes", "index.html"}
    assert {name for name in names if f'"{name}"' in listed} == names - {"service_worker.js"}
    bundle = site / "bundle"
    manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
    files = {p.relative_to(bundle).as_posix() for p in bundle.rglob("*") if p.is_file()}
    assert files == {*manifest["files"], "manifest.json"}
    assert not [name for name in files if "step" in name or name.endswith(".keras")]
    assert not list(site.rglob("*.wasm")) and list(site.rglob("*.wasm.gz"))


def test_a_site_can_be_of_one_runtime_and_plain(bundles, sites, tmp_path):
    done = build(bundles["gru"], tmp_path / "site", "--runtime", "litert")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "site" / "runtimes").iterdir()] == ["litert"]
    plain = sites / "plain"
    assert list(plain.rglob("*.wasm")) and not list(plain.rglob("*.wasm.gz"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There must be a bundle and a folder to write. Received: []"),
        (["{bundle}", "{full}"], "The folder must be new or empty. Received: "),
        (
            ["{bundle}", "{new}", "--runtime", "litert"],
            "--runtime must be of those that the bundle has, of onnx. Received: litert",
        ),
    ],
)
def test_a_site_that_cannot_be_is_refused(bundles, tmp_path, arguments, message):
    manifest = json.loads((bundles["gru"] / "manifest.json").read_text("utf-8"))
    del manifest["artefacts"]["litert"]
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    places = {"bundle": bundle, "full": tmp_path, "new": tmp_path / "site"}
    command = ["node", "build_site.mjs", *(one.format(**places) for one in arguments)]
    done = subprocess.run(command, cwd=installed_kit(), capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


PROGRAM = """
import * as ort from "onnxruntime-node";
import { openTranslator, type Hypothesis } from "keras-seq2seq-web";
import { Tokenizer } from "keras-seq2seq-web/tokenizer";
import { openLiteRTTranslator } from "keras-seq2seq-web/litert";
import { openInWorker } from "keras-seq2seq-web/worker";

const translator = await openTranslator(process.argv[2], ort, { search: "greedy" });
const rows: Hypothesis[][] = await translator.translate(JSON.parse(process.argv[3]));
const texts: string[] = rows.map(([best]) => best.text);
const known: boolean = [Tokenizer.open, openLiteRTTranslator, openInWorker].every(Boolean);
console.log(JSON.stringify({ texts, known }));
"""


def test_the_package_is_imported_by_its_name_with_types(bundles, tmp_path):
    kit, compiler = installed_kit(), installed_tools() / "node_modules" / ".bin" / "tsc"
    packed = subprocess.run(
        ["npm", "pack", "--pack-destination", str(tmp_path)],
        cwd=KIT,
        capture_output=True,
        text=True,
    )
    assert packed.returncode == 0, packed.stderr
    package = tmp_path / "node_modules" / "keras-seq2seq-web"
    package.mkdir(parents=True)
    (archive,) = tmp_path.glob("*.tgz")
    subprocess.run(
        ["tar", "xzf", archive, "-C", package, "--strip-components=1"], check=True, timeout=60
    )
    assert not (package / "node_modules").exists()
    (tmp_path / "node_modules" / "onnxruntime-node").symlink_to(
        kit / "node_modules" / "onnxruntime-node"
    )
    (tmp_path / "program.mts").write_text(
        "declare const process: { argv: string[] };\n" + PROGRAM, "utf-8"
    )
    options = ["--strict", "--target", "es2023", "--module", "nodenext", "--types", ""]
    done = subprocess.run(
        [compiler, *options, "program.mts"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    command = ["node", "program.mjs", str(bundles["gru"]), json.dumps(LINES)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    expected = best(translations(bundles["gru"], quantization="float32"))
    assert json.loads(ran.stdout) == {"texts": expected, "known": True}


def test_the_types_are_those_of_the_sources(tmp_path):
    kit, compiler = installed_kit(), installed_tools() / "node_modules" / ".bin" / "tsc"
    done = subprocess.run(
        [compiler, "--project", kit, "--outDir", tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout

    def read(folder):
        return {path.name: path.read_text("utf-8") for path in folder.iterdir()}

    assert read(tmp_path) == read(kit / "types")
