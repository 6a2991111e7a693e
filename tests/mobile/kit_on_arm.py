"""Builds the kit of export/mobile for aarch64, runs it under qemu and counts the same words.

    PYTHONPATH=tests python tests/mobile/kit_on_arm.py BUNDLE [--text FILE] [--sentences 500]
        [--files float32 ...]

Every LiteRT file of the bundle translates the sentences, greedy and with the beam of the bundle,
with XNNPACK and without it. The reference is the float32 LiteRT file in Python, and for a quantised
file the same file in Python. Without --text the sentences are drawn from the phrasebook's grammar.
SentencePiece is built from the sources on PyPI, as for a phone. Exits 1 if a float32 translation
differs, 77 if what it needs is not installed.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile

import mobile_kit

import keras_seq2seq
from keras_seq2seq.bundles.bundle import Bundle
from keras_seq2seq.phrasebook.corpus import generate

NOT_INSTALLED = 77
NEEDED = ("aarch64-linux-gnu-g++", "qemu-aarch64", "cmake", "ninja")
SENTENCEPIECE = "sentencepiece==0.2.1"
TOOLCHAIN = """
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=pathlib.Path, help="exported folder")
    parser.add_argument("--text", type=pathlib.Path, help="sentences, one per line")
    parser.add_argument("--sentences", type=int, default=500, help="default: %(default)s")
    parser.add_argument("--files", nargs="+", help="default: all that the bundle holds")
    given = parser.parse_args(argv)
    missing = [name for name in NEEDED if not shutil.which(name)]
    missing += [name for name in mobile_kit.MISSING if "json" in name]
    if missing:
        print(f"kit_on_arm: not installed: {', '.join(missing)}", file=sys.stderr)
        return NOT_INSTALLED
    sentences = _sentences(given.text)[: given.sentences]
    with tempfile.TemporaryDirectory(prefix="kit_on_arm_") as room:
        program = _built(pathlib.Path(room)) / "translate"
        return _compared(program, given.bundle, sentences, given.files)


def _sentences(path: pathlib.Path | None) -> list[str]:
    if path is not None:
        return path.read_text("utf-8").splitlines()
    book = generate(7, 20_000)
    return [source for source, _ in (*book.test, *book.validation)]


def _built(room: pathlib.Path) -> pathlib.Path:
    (room / "toolchain.cmake").write_text(TOOLCHAIN)
    # The folder of the host's headers holds more than what a cross compiler may see.
    shutil.copytree("/usr/include/nlohmann", room / "include" / "nlohmann")
    library = mobile_kit.tflite_library(room, "aarch64")
    return mobile_kit.build(
        room / "build",
        library,
        f"-DCMAKE_TOOLCHAIN_FILE={room / 'toolchain.cmake'}",
        f"-DSENTENCEPIECE_SOURCE_DIR={_sentencepiece(room)}",
        f"-DNLOHMANN_JSON_INCLUDE_DIR={room / 'include'}",
    )


def _sentencepiece(room: pathlib.Path) -> pathlib.Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", room]
    command = [*pip, "--no-binary", ":all:", SENTENCEPIECE]
    subprocess.run(command, check=True, timeout=600)
    (archive,) = room.glob("sentencepiece-*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(room, filter="data")
    return room / archive.name.removesuffix(".tar.gz") / "sentencepiece"


def _compared(
    program: pathlib.Path, folder: pathlib.Path, sentences: list[str], asked: list[str] | None
) -> int:
    bundle = Bundle.open(folder)
    held = [quantization for runtime, quantization in bundle.artefacts if runtime == "litert"]
    files = asked or held
    searches = {"greedy": None, **({"beam": bundle.beam} if bundle.beam else {})}
    print(
        "| file | search | XNNPACK | same as in Python | same as float32 |\n|---|---|---|---|---|"
    )
    wrong = 0
    for search, strategy in searches.items():
        exact: list[str] = []
        for quantization in files:
            translator = keras_seq2seq.load(
                folder, "litert", quantization=quantization, strategy=strategy
            )
            expected = translator.translate(sentences)
            exact = exact or expected
            for xnnpack in (True, False):
                options = ["--quantization", quantization, *(["--beam"] if strategy else [])]
                command = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", program, folder]
                found = _lines(
                    [*command, *options, *([] if xnnpack else ["--no-xnnpack"])], sentences
                )
                same, as_float32 = _same(found, expected), _same(found, exact)
                total = len(sentences)
                print(
                    f"| {quantization} | {search} | {'on' if xnnpack else 'off'} "
                    f"| {same} of {total} | {as_float32} of {total} |",
                    flush=True,
                )
                wrong += quantization == "float32" and same != total
    return int(wrong > 0)


def _lines(command: list[object], sentences: list[str]) -> list[str]:
    given = "".join(f"{sentence}\n" for sentence in sentences)
    done = subprocess.run(
        [str(part) for part in command], input=given.encode(), capture_output=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return done.stdout.decode().removesuffix("\n").split("\n")


def _same(found: list[str], expected: list[str]) -> int:
    return sum(one == other for one, other in zip(found, expected, strict=True))


if __name__ == "__main__":
    sys.exit(main())
