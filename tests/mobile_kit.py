"""The kit of export/mobile for tests: what it needs, how it is built, and its C interface.

The C interface runs in a process of its own, as this file with the library for an argument: in one
process with TensorFlow, whose symbols clash with those of SentencePiece, it ends with a fault.
"""

import concurrent.futures
import ctypes
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from typing import Any, NamedTuple

FOLDER = pathlib.Path(__file__).parent.parent / "export" / "mobile"
# Wheels with TensorFlow Lite's C library 2.17.1, which no other package ships; used by tests alone.
WHEEL = "pymicro-wakeword==2.5.0"
WHEEL_SHA256 = {
    "x86_64": "3869f536402b1254e3be3549d3a462ecd6ed21ce2c3e77ec8eb501c3c700417c",
    "aarch64": "6c75b77c936efd19b8c35a094cb7e3fdbd4ebcd0f63635a0851ce591990829f2",
}
NEEDED = {
    "the checkout, as the wheel has no export/": FOLDER.is_dir(),
    "g++, cmake and ninja": all(map(shutil.which, ("g++", "cmake", "ninja"))),
    "libsentencepiece-dev": pathlib.Path("/usr/include/sentencepiece_processor.h").is_file(),
    "nlohmann-json3-dev": pathlib.Path("/usr/include/nlohmann/json.hpp").is_file(),
}
MISSING = [what for what, held in NEEDED.items() if not held]


class Unavailable(RuntimeError):
    """What a test needs cannot be fetched here."""


class Found(NamedTuple):
    """One hypothesis of the kit."""

    text: str
    ids: list[int]
    score: float
    ranking: float
    finished: bool


class Options(ctypes.Structure):
    """`Seq2SeqOptions`."""

    _fields_ = [
        ("quantization", ctypes.c_char_p),
        *((name, ctypes.c_int32) for name in ("beam", "xnnpack", "num_threads", "check")),
    ]


def tflite_library(folder: pathlib.Path, machine: str = "x86_64") -> pathlib.Path:
    """Downloads TensorFlow Lite's C library.

    Raises:
        Unavailable: If the package index does not have it or does not answer.
    """
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    given = ["--no-deps", "--only-binary", ":all:", "--platform", f"manylinux_2_35_{machine}"]
    done = subprocess.run(
        [*pip, *given, "--dest", folder, WHEEL], capture_output=True, text=True, timeout=300
    )
    wheels = list(folder.glob(f"*{machine}.whl"))
    if done.returncode or len(wheels) != 1:
        raise Unavailable(f"{WHEEL} cannot be downloaded: {done.stderr[-300:]}")
    if hashlib.sha256(wheels[0].read_bytes()).hexdigest() != WHEEL_SHA256[machine]:
        raise RuntimeError(f"{wheels[0].name} is not the wheel that was tested.")
    with zipfile.ZipFile(wheels[0]) as wheel:
        return pathlib.Path(wheel.extract("pymicro_wakeword/lib/libtensorflowlite_c.so", folder))


def build(folder: pathlib.Path, library: pathlib.Path, *options: str) -> pathlib.Path:
    """Builds the kit with warnings as errors; returns the folder of the libraries.

    Args:
        folder: A folder of its own.
        library: TensorFlow Lite's C library for the machine that it is built for.
        options: Others of CMake.
    """
    given = [f"-DTFLITE_LIBRARY={library}", "-DSEQ2SEQ_WERROR=ON", *options]
    for command in (
        ["cmake", "-G", "Ninja", "-S", FOLDER, "-B", folder, *given],
        ["cmake", "--build", folder],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return folder


def changed_copy(folder: pathlib.Path, copy: pathlib.Path, **changes: object) -> pathlib.Path:
    """Returns a copy of a bundle with other entries in its manifest."""
    shutil.copytree(folder, copy, symlinks=True)
    path = copy / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changes}), "utf-8")
    return copy


class Kit:
    """The C interface of a built library, in another process.

    Texts are bytes or str. A call that fails raises a ValueError with the error of the library.
    """

    def __init__(self, library: pathlib.Path) -> None:
        command = [sys.executable, "-u", __file__, str(library)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def open(self, folder: pathlib.Path | str, quantization: str = "float32", **given: int) -> int:
        return self._call("open", str(folder), quantization, given)

    def translate(self, translator: int, text: str | bytes) -> list[Found]:
        return self.translate_in_threads(translator, [text], 1)[0]

    def translate_in_threads(
        self, translator: int, texts: Sequence[str | bytes], threads: int
    ) -> list[list[Found]]:
        """Translates texts in so many threads that share a translator."""
        given = [text.encode() if isinstance(text, str) else text for text in texts]
        found = self._call("translate", translator, [text.hex() for text in given], threads)
        return [[Found(*one) for one in row] for row in found]

    def longest_source(self, translator: int) -> int:
        return self._call("longest_source", translator)

    def close(self, translator: int) -> None:
        self._call("close", translator)

    def end(self) -> None:
        """Ends the process."""
        self._process.communicate()
        assert self._process.returncode == 0

    def _call(self, name: str, *arguments: object) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([name, *arguments]).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the kit ended in `{name}` of {arguments}"
        error, result = json.loads(line)
        if error is not None:
            raise ValueError(error)
        return result


class Library:
    """The functions of a library in this process, for `Kit`."""

    def __init__(self, library: pathlib.Path) -> None:
        self.functions = functions = ctypes.CDLL(str(library))
        number, pointer, text = ctypes.c_int64, ctypes.c_void_p, ctypes.c_char_p
        size, index, real = ctypes.POINTER(ctypes.c_size_t), ctypes.c_int32, ctypes.c_float
        for name, result, *arguments in (
            ("open", number, text, ctypes.POINTER(Options)),
            ("translate", pointer, number, text, ctypes.c_size_t),
            ("longest_source", index, number),
            ("close", index, number),
            ("count", index, pointer),
            ("text", pointer, pointer, index, size),
            ("ids", ctypes.POINTER(ctypes.c_int32), pointer, index, size),
            ("score", real, pointer, index),
            ("ranking", real, pointer, index),
            ("finished", index, pointer, index),
            ("delete", None, pointer),
            ("error", text),
            ("default_options", Options),
        ):
            function = getattr(functions, f"seq2seq_{name}")
            function.restype, function.argtypes = result, arguments

    def open(self, folder: str, quantization: str, given: dict[str, int]) -> int:
        options = self.functions.seq2seq_default_options()
        options.quantization = quantization.encode()
        for name, value in given.items():
            setattr(options, name, value)
        return self._done(self.functions.seq2seq_open(folder.encode(), options))

    def translate(self, translator: int, texts: list[str], threads: int) -> list[list[Found]]:
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda text: self._translate(translator, text), texts))

    def longest_source(self, translator: int) -> int:
        return self._done(self.functions.seq2seq_longest_source(translator))

    def close(self, translator: int) -> int:
        return self._done(self.functions.seq2seq_close(translator))

    def _translate(self, translator: int, text: str) -> list[Found]:
        given = bytes.fromhex(text)
        found = self._done(self.functions.seq2seq_translate(translator, given, len(given)))
        try:
            count = self.functions.seq2seq_count(found)
            return [self._hypothesis(found, index) for index in range(count)]
        finally:
            self.functions.seq2seq_delete(found)

    def _hypothesis(self, found: int, index: int) -> Found:
        size = ctypes.c_size_t()
        text = self.functions.seq2seq_text(found, index, size)
        content = ctypes.string_at(text, size.value).decode("utf-8")
        ids = self.functions.seq2seq_ids(found, index, size)[: size.value]
        numbers = (
            getattr(self.functions, f"seq2seq_{name}")(found, index)
            for name in ("score", "ranking", "finished")
        )
        score, ranking, finished = numbers
        return Found(content, ids, score, ranking, bool(finished))

    def _done(self, result: int | None) -> int:
        if not result:
            raise ValueError(self.functions.seq2seq_error().decode())
        return result


def serve(library: pathlib.Path) -> None:
    """Answers calls, one JSON line for each."""
    held = Library(library)
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = [None, getattr(held, name)(*arguments)]
        except ValueError as error:
            answer = [str(error), None]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(pathlib.Path(sys.argv[1]))
