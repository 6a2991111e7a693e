"""The kit of export/mobile: LiteRT files say in C++ and Kotlin what they say in Python."""

import hashlib
import json
import pathlib
import random
import re
import shutil
import subprocess

import mobile_kit
import pytest
from conftest import HOSTILE, TEXTS
from kit_models import kit_models
from mobile_kit import changed_copy

import keras_seq2seq

pytestmark = pytest.mark.skipif(
    bool(mobile_kit.MISSING), reason=f"not installed: {', '.join(mobile_kit.MISSING)}"
)
BEAM = keras_seq2seq.BeamSearch(3, 2)
QUANTIZATIONS = ("float16", "dynamic_int8", "int8")
LONGEST = 36
# The last one has more tokens than LONGEST.
READABLE, TOO_LONG = [*TEXTS, *HOSTILE[:-1]], HOSTILE[-1]
NOT_UTF8 = [
    *(b"the \xff\xfe dog", b"the dog\xe2\x98", b"\xed\xa0\x80 dog", b"\xf0\x9f\x91 the\0dog"),
    *(b"\xc0\xaf the", b"\xf4\x90\x80\x80", b"a\x80\x80bird", b"\0", b"\xef\xbb\xbfthe dog"),
]
# Cleans lines, or prints their SHA-256: what no translation shows in full.
DRIVER = """
#include <cstdio>
#include <iostream>
#include <iterator>
#include "sha256.h"
#include "text.h"
int main(int count, char**) {
  std::string given(std::istreambuf_iterator<char>(std::cin), {});
  for (size_t start = 0; start < given.size();) {
    const size_t size = static_cast<unsigned char>(given[start]);
    std::string line = given.substr(start + 1, size);
    start += 1 + size;
    seq2seq::Sha256 sha256;
    const size_t third = line.size() / 3;
    sha256.add(line.data(), third), sha256.add(line.data() + third, line.size() - third);
    std::cout << (count > 1 ? sha256.digest() : seq2seq::clean_text(line)) << '\\0';
  }
}
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    return tmp_path_factory.mktemp("mobile")


@pytest.fixture(scope="module")
def built(room):
    """The folder of the built libraries."""
    try:
        library = mobile_kit.tflite_library(room)
    except (mobile_kit.Unavailable, subprocess.TimeoutExpired) as error:
        pytest.skip(str(error))
    java = pathlib.Path(shutil.which("javac") or "/nowhere/bin/javac").resolve().parent.parent
    options = [f"-DSEQ2SEQ_JNI={'ON' if shutil.which('javac') else 'OFF'}"]
    options.append(f"-DJNI_INCLUDE_DIR={java / 'include'}")
    return mobile_kit.build(room / "build", library, *options)


@pytest.fixture(scope="module")
def kit(built):
    running = mobile_kit.Kit(built / "libseq2seq_translator.so")
    yield running
    running.end()


@pytest.fixture(scope="module")
def bundles(room, subword_tokenizers):
    """Bundles by model and runtime; those of the GRU have a beam search inside."""
    folders = {}
    for name, model in kit_models(subword_tokenizers):
        quantizations = {"litert": QUANTIZATIONS if name == "gru" else [], "onnx": []}
        for runtime, quantization in quantizations.items():
            folders[name, runtime] = room / f"{name}_{runtime}"
            keras_seq2seq.export(
                model,
                folders[name, runtime],
                formats=[runtime],
                quantization=quantization,
                beam=BEAM if name == "gru" else None,
                max_source_length=LONGEST,
                sentences=TEXTS,
                # What a phone does not need, but a bundle for servers too has.
                languages=("en", "fr"),
                litert_batch_size=2 if runtime == "litert" else 1,
                verbose=False,
            )
    return folders


@pytest.fixture(scope="module")
def gru(bundles):
    return bundles["gru", "litert"]


def translations(kit, folder, texts, quantization="float32", **options):
    translator = kit.open(folder, quantization, **options)
    try:
        return kit.translate_in_threads(translator, texts, 1)
    finally:
        kit.close(translator)


def same(received, expected):
    """Compares hypotheses of the kit with those of Python."""
    assert len(received) == len(expected)
    for row, wanted in zip(received, expected, strict=True):
        assert [(one.text, tuple(one.ids), one.finished) for one in row] == [
            (one.text, one.hypothesis.ids, one.hypothesis.finished) for one in wanted
        ]
        for one, other in zip(row, wanted, strict=True):
            ranking = other.hypothesis.ranking
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.ranking == pytest.approx(other.score if ranking is None else ranking, 1e-4)


@pytest.mark.parametrize("xnnpack", [1, 0])
@pytest.mark.parametrize(("name", "beam"), [("gru", 0), ("gru", 1), ("transformer", 0)])
def test_every_search_gives_the_ids_and_the_texts_of_python(kit, bundles, name, beam, xnnpack):
    texts = [*READABLE, *NOT_UTF8]
    strategy = BEAM if beam else None
    found = translations(kit, bundles[name, "litert"], texts, beam=beam, xnnpack=xnnpack)
    for runtime in ("onnx", "litert"):
        translator = keras_seq2seq.load(bundles[name, runtime], runtime, strategy=strategy)
        expected = translator.n_best(texts)
        assert len({best.text for best, *_ in expected}) > 3
        same(found, expected)


@pytest.mark.parametrize("beam", [0, 1])
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_quantised_files_say_what_they_say_in_python(kit, gru, quantization, beam):
    strategy = BEAM if beam else None
    for xnnpack in (True, False):
        translator = keras_seq2seq.load(
            gru, "litert", quantization=quantization, strategy=strategy, xnnpack=xnnpack
        )
        expected = [[one.text for one in row] for row in translator.n_best(READABLE)]
        options = {"beam": beam, "xnnpack": int(xnnpack)}
        found = translations(kit, gru, READABLE, quantization, **options)
        assert [[one.text for one in row] for row in found] == expected


def test_a_translation_does_not_depend_on_those_before_it(kit, gru):
    texts = READABLE * 3
    random.Random(0).shuffle(texts)
    for quantization in ("float32", "dynamic_int8"):
        alone = {t: translations(kit, gru, [t], quantization)[0] for t in READABLE}
        assert translations(kit, gru, texts, quantization) == [alone[t] for t in texts]


def test_threads_share_a_translator(kit, gru):
    expected = translations(kit, gru, READABLE)
    translator = kit.open(gru)
    assert kit.translate_in_threads(translator, READABLE * 16, 8) == expected * 16
    kit.close(translator)
    assert translations(kit, gru, TEXTS, num_threads=2) == expected[: len(TEXTS)]


@pytest.mark.skipif(not shutil.which("clang++"), reason="clang++ is not installed")
def test_the_compiler_of_phones_takes_it_too():
    sources = list(mobile_kit.FOLDER.glob("*.cpp"))
    command = ["clang++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", *sources]
    done = run(command, text=True)
    assert done.returncode == 0, done.stderr


def test_texts_are_cleaned_as_in_python(room):
    draw = random.Random(1)
    alphabet = [*range(256), *[0xE2, 0x98, 0x82, 0xED, 0xA0, 0xF0, 0x9F, 0xF4, 0xC2] * 20]
    lines = [bytes(draw.choices(alphabet, k=draw.randrange(200))) for _ in range(2_000)]
    lines += [bytes([one, two]) for one in range(0x7E, 256) for two in range(0x7E, 256)]
    (room / "driver.cpp").write_text(DRIVER, "utf-8")
    sources = [room / "driver.cpp", *(mobile_kit.FOLDER / f for f in ("text.cpp", "sha256.cpp"))]
    include = f"-I{mobile_kit.FOLDER}"
    subprocess.run(["g++", "-std=c++17", include, *sources, "-o", room / "driver"], check=True)
    given = b"".join(bytes([len(line)]) + line for line in lines)

    def run(*arguments):
        command = [room / "driver", *arguments]
        return subprocess.run(command, input=given, capture_output=True, check=True).stdout

    cleaned = [line.decode("utf-8", "replace").replace("\0", " ").encode() for line in lines]
    assert run().split(b"\0") == [*cleaned, b""]
    digests = [hashlib.sha256(line).hexdigest().encode() for line in lines]
    assert run("sha256").split(b"\0") == [*digests, b""]


def test_what_is_no_whole_bundle_is_refused(kit, bundles, tmp_path):
    folder = bundles["transformer", "litert"]
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    name = "litert/model_float32.tflite"
    content = (folder / name).read_bytes()
    files, litert = manifest["files"], manifest["artefacts"]["litert"]
    (tmp_path / "secret").write_text("secret")
    outside = {"source": "../secret", "target": "../secret"}

    def with_litert(place, **changes):
        artefacts = {**manifest["artefacts"], "litert": {**litert, **changes}}
        return changed_copy(folder, tmp_path / place, artefacts=artefacts)

    def damaged(place, file, damage):
        copy = changed_copy(folder, tmp_path / place)
        damage(copy / file)
        return copy

    def link_out(path):
        path.unlink()
        path.symlink_to(tmp_path / "secret")

    broken = changed_copy(folder, tmp_path / "broken")
    (broken / "manifest.json").write_text('{"format_version": 4', "utf-8")
    deep = changed_copy(folder, tmp_path / "deep")
    (deep / "manifest.json").write_text("[" * 200_000, "utf-8")
    messages = {
        tmp_path / "absent": "must hold a manifest.json",
        broken: "is not JSON",
        deep: "is not JSON",
        changed_copy(folder, tmp_path / "older", format_version=3): "version 4. Received: 3",
        changed_copy(folder, tmp_path / "newer", format_version=99): "version 4. Received: 99",
        changed_copy(folder, tmp_path / "new_key", novelty=1): "has the key `novelty`",
        changed_copy(
            folder, tmp_path / "keras", artefacts={"keras": manifest["artefacts"]["keras"]}
        ): "must hold LiteRT files. Received: keras",
        changed_copy(
            folder,
            tmp_path / "way_out",
            tokenizer=outside,
            files={**files, "../secret": {"bytes": 6, "sha256": ""}},
        ): 'lie in the bundle. Received: "../secret"',
        changed_copy(
            folder, tmp_path / "unlisted", files={k: v for k, v in files.items() if k != name}
        ): f'must be listed in the manifest and lie in the bundle. Received: "{name}"',
        with_litert("new_part", novelty=1): "`artefacts.litert` has the key `novelty`",
        with_litert("no_lengths", source_lengths=[]): "must be a list of lengths. Received: []",
        with_litert("lengths", source_lengths=[8, -1]): "must be a list of lengths",
        with_litert("text", source_lengths="8"): 'list of lengths. Received: "8"',
        with_litert("missing_signature", source_lengths=[12345]): (
            "it has no signature `translate_greedy_12345`"
        ),
        changed_copy(folder, tmp_path / "limits", limits={"max_length": 0}): "`max_length` of",
        changed_copy(
            folder, tmp_path / "vocabulary", model={"source_vocabulary_size": 7}
        ): "must have the size of the model's vocabulary, 7",
        damaged("cut", name, lambda p: p.write_bytes(content[:-1])): (
            f"must have {len(content)} bytes. Received: {len(content) - 1}"
        ),
        damaged("altered", name, lambda p: p.write_bytes(content[:-1] + b"x")): "the SHA-256",
        damaged("removed", name, pathlib.Path.unlink): f"{name} does not exist",
        damaged("link", name, link_out): "a symbolic link out of it",
        damaged("folder", name, lambda p: (p.unlink(), p.mkdir())): f"{name} does not exist",
    }
    for path, message in messages.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            kit.open(path)


def test_a_bundle_needs_only_what_it_uses(kit, gru, tmp_path):
    small = tmp_path / "small"
    (small / "litert").mkdir(parents=True)
    for name in ("manifest.json", "litert/model_dynamic_int8.tflite"):
        shutil.copy(gru / name, small / name)
    for path in gru.glob("*tokenizer.model"):
        shutil.copy(path, small)
    assert translations(kit, small, TEXTS, "dynamic_int8") == translations(
        kit, gru, TEXTS, "dynamic_int8"
    )


def test_wrong_files_without_checksums_are_no_translator(kit, bundles, tmp_path):
    for number, content in enumerate((b"", b"TFL3" * 64, bytes(4096))):
        copy = changed_copy(bundles["transformer", "litert"], tmp_path / str(number))
        manifest = json.loads((copy / "manifest.json").read_text("utf-8"))
        for name in ("litert/model_float32.tflite", "source_tokenizer.model"):
            original = (copy / name).read_bytes()
            (copy / name).write_bytes(content)
            manifest["files"][name]["bytes"] = len(content)
            (copy / "manifest.json").write_text(json.dumps(manifest), "utf-8")
            with pytest.raises(ValueError, match=r"cannot be (used|read)"):
                kit.open(copy, check=0)
            (copy / name).write_bytes(original)
            manifest["files"][name]["bytes"] = len(original)


def test_errors_of_a_call_name_what_is_wrong(kit, bundles, gru):
    with pytest.raises(ValueError, match="of float32, float16, dynamic_int8, int8|Received: .int4"):
        kit.open(gru, "int4")
    with pytest.raises(ValueError, match="no beam search; write one with"):
        kit.open(bundles["transformer", "litert"], beam=1)
    with pytest.raises(ValueError, match="`num_threads` must be at least 1. Received: 0"):
        kit.open(gru, num_threads=0)
    translator = kit.open(gru)
    assert kit.longest_source(translator) == LONGEST
    for text in (TOO_LONG, "dog " * 3_000):
        with pytest.raises(ValueError, match=f"at most {LONGEST} tokens, .*Received: "):
            kit.translate(translator, text)
    longest = "dog " * 40
    while len(keras_seq2seq.TokenizerPair.load(gru).source.encode(longest)) >= LONGEST:
        longest = longest[: -len("dog ")]
    assert kit.translate(translator, longest)[0].text
    kit.close(translator)
    for use in (kit.close, kit.longest_source, lambda closed: kit.translate(closed, "the dog")):
        for closed in (translator, 0, -1):
            with pytest.raises(ValueError, match="The translator is closed; open another"):
                use(closed)


def run(command, **options):
    return subprocess.run(command, capture_output=True, timeout=300, **options)


def test_lines_become_lines(built, gru):
    lines = [b"\xef\xbb\xbfthe dog", b"", b"a \xff\xfe bird", "zebra ☂".encode(), b"the\0dog"]
    command = [built / "translate", gru, "--beam"]
    done = run(command, input=b"\r\n".join(lines))
    assert done.returncode == 0, done.stderr.decode()
    translator = keras_seq2seq.load(gru, "litert", strategy=BEAM)
    texts = [line.decode("utf-8-sig", "replace") for line in lines]
    assert done.stdout.decode().split("\n") == [*translator.translate(texts), ""]


def test_the_command_names_what_is_wrong(built, gru):
    done = run([built / "translate", gru, "--batch"], input=b"")
    assert done.returncode == 2
    assert b"Received: --batch" in done.stderr
    done = run([built / "translate", gru / "none"], input=b"")
    assert done.returncode == 1
    assert b"must hold a manifest.json" in done.stderr
    done = run([built / "translate", gru], input=b"the dog\n" + b"dog " * 99 + b"\na")
    assert done.returncode == 1
    assert b"line 2: A text must have at most" in done.stderr
    assert done.stdout.count(b"\n") == 3


@pytest.fixture(scope="module")
def jvm(room, built):
    """A command that runs the Kotlin classes on this machine's JVM; the compiler is of npm."""
    if not (shutil.which("npm") and shutil.which("javac")):
        pytest.skip("npm and a JDK are not installed")
    folder = room / "jvm"
    shutil.copytree(mobile_kit.FOLDER / "jvm", folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
    try:
        done = run(command, cwd=folder, text=True)
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry did not answer in time")
    if done.returncode and any(code in done.stderr for code in ("ENOTFOUND", "EAI_AGAIN", "ECONN")):
        pytest.skip(f"the npm registry does not answer: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    jars = folder / "node_modules" / "kotlin-compiler" / "lib"
    needed = [jars / "kotlin-stdlib.jar", jars / "kotlinx-coroutines-core-jvm.jar"]
    kotlin = mobile_kit.FOLDER / "android/app/src/main/kotlin/io/github/seq2seq"
    # What is of Android alone needs its SDK.
    sources = [path for path in kotlin.glob("*.kt") if path.name != "MainActivity.kt"]
    classes = ":".join(map(str, needed))
    compiler = ["java", "-jar", jars / "kotlin-compiler.jar", "-no-stdlib", "-no-reflect"]
    target = ["-Werror", "-cp", classes, "-d", folder / "kit.jar"]
    done = run([*compiler, *target, *sources, *folder.glob("*.kt")], text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return [
        *("java", "-Xcheck:jni", "-Xmx512m", f"-Djava.library.path={built}"),
        *("-cp", f"{folder / 'kit.jar'}:{classes}"),
    ]


@pytest.mark.parametrize("beam", [False, True])
def test_a_jvm_translates_lines(jvm, gru, beam):
    texts = [text for text in READABLE if not set(text) & set("\r\n\v\f\x1c\x85")]
    command = [*jvm, "io.github.seq2seq.TranslateLinesKt", gru, "float32", "--scores"]
    done = run([*command, *(["--beam"] if beam else [])], input="\n".join(texts).encode())
    assert done.returncode == 0, done.stderr.decode()
    assert b"WARNING" not in done.stdout + done.stderr
    translator = keras_seq2seq.load(gru, "litert", strategy=BEAM if beam else None)
    rows = [line.split("\t") for line in done.stdout.decode().removesuffix("\n").split("\n")]
    for (score, finished, text), (best, *_) in zip(rows, translator.n_best(texts), strict=True):
        assert (finished == "true", text) == (best.hypothesis.finished, best.text)
        assert float(score) == pytest.approx(best.score, abs=1e-4)


def test_the_kotlin_classes_keep_their_promises(jvm, gru, tmp_path):
    other = changed_copy(gru, tmp_path / "other", quality={"bleu": 1.0})
    command = [*jvm, "io.github.seq2seq.CheckKt", gru, other, tmp_path / "place"]
    done = run(command, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "12 of 12 checks passed"
