"""Damages files of every kind at random and reads them: the same content, or a clear error.

    python tests/soak/fuzz_readers.py --cases 3000 --seed 1

Each input is one whole file with one or more mutations: flipped bits, a cut, swapped or repeated
parts, grown numbers, nested or retyped JSON, other members of a zip. A reader may give the same
as before, or raise ValueError or OSError with the name of the file or of its bundle. Where a
checksum covers the file (.keras, state.npz, shortlist, bundle), anything else that it gives is
silently wrong; a file without one (a tokenizer or a corpus alone) and a file whose manifest was
signed again may give something else. Readers run in child processes with a limit of time, so that
a crash of native code is seen. Exits 1 if an error is uncaught or a result silently wrong.
"""

import argparse
import collections
import dataclasses
import hashlib
import json
import multiprocessing
import os
import pathlib
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

from mutations import mutated

SECONDS, MEMORY = 120, 2 * 2**30  # for one input; bytes above what the reader needed before it
ALLOWED = (ValueError, OSError)
TEXTS = ["the dog", "a cat sees the old bird here", ""]


@dataclasses.dataclass(frozen=True)
class Reader:
    """A reader under test.

    Args:
        share: Its share of the inputs.
        targets: Pattern of the files to damage, below the room.
        read: Reads below a copy of the room; returns what must stay the same.
        covered: Whether a checksum covers the file.
        signed: Whether the manifest of the bundle is signed again after the damage.
    """

    share: int
    targets: str
    read: Callable[[pathlib.Path, pathlib.Path], str]
    covered: bool = False
    signed: bool = False


def load_keras(room, path):
    import keras_seq2seq

    model = keras_seq2seq.load_model(path, compile=False)
    tokenizers = model.tokenizers
    parts = [weight.numpy().tobytes() for weight in model.weights]
    return digest(*parts, repr(tokenizers).encode())


def inspect(room, path):
    import keras_seq2seq

    found = keras_seq2seq.inspect(path.parent if path.suffix == ".pb" else path)
    return digest(str(found).encode(), json.dumps(found.to_dict()).encode())


def inspect_bundle(room, path):
    import keras_seq2seq

    return digest(str(keras_seq2seq.inspect(room / "bundle")).encode())


def load_state(room, path):
    from keras_seq2seq.training.training_state import StateSummary, TrainingState

    state = TrainingState.load(path)
    arrays = [array.tobytes() for array in (*state.variables, *state.metrics)]
    return digest(*arrays, repr((state.names, StateSummary.read(path), state.callbacks)).encode())


def load_tokenizer(room, path):
    from keras_seq2seq.text.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(path)
    return digest(repr([tokenizer.decode(ids) for ids in tokenizer.encode(TEXTS)]).encode())


def load_shortlist(room, path):
    from keras_seq2seq.decoding.shortlist import Shortlist

    found = Shortlist.load(path)
    return digest(found.always.tobytes(), found.candidates.tobytes())


def load_recipe(room, path):
    from keras_seq2seq.training.recipe import Recipe

    return repr(Recipe.load(path))


def read_tsv(room, path):
    from keras_seq2seq.training.corpus import read_tsv

    return digest(repr(read_tsv(path, policy="drop").pairs).encode())


def read_prepared(room, path):
    from keras_seq2seq.training.batches import PairBatches
    from keras_seq2seq.training.prepared_pairs import PreparedPairs

    prepared = PreparedPairs(room / "prepared")
    batches = PairBatches(prepared, prepared.tokenizers, tokens_per_batch=100)
    read = [batches.batch(0, index) for index in range(len(batches))]
    texts = prepared.texts("validation"), prepared.texts("test"), prepared.report
    parts = [array.tobytes() for inputs, labels in read for array in (*inputs.values(), labels)]
    return digest(*parts, repr(texts).encode(), batches.fingerprint.encode())


def make_prepared(room):
    """Prepares the pairs of a corpus of its own."""
    from word_corpus import write_corpus

    from keras_seq2seq.training.prepare import prepare
    from keras_seq2seq.training.recipe import Recipe

    with tempfile.TemporaryDirectory() as folder:
        recipe = write_corpus(pathlib.Path(folder))
        prepare(Recipe.load(recipe), room / "prepared")


def translate(runtime, **options):
    def read(room, path):
        import keras_seq2seq

        translator = keras_seq2seq.load(room / "bundle", runtime, **options)
        return json.dumps(translator.translate(TEXTS))

    return read


BUNDLE = "bundle/**/*"
READERS = {
    ".keras, load_model": Reader(7, "model.keras", load_keras, covered=True),
    ".keras, inspect": Reader(7, "model.keras", inspect, covered=True),
    "state.npz": Reader(10, "state.npz", load_state, covered=True),
    "shortlist": Reader(7, "shortlist.npz", load_shortlist, covered=True),
    "tokenizer": Reader(8, "bundle/*_tokenizer.model", load_tokenizer),
    "recipe": Reader(8, "recipe.toml", load_recipe),
    "TSV": Reader(6, "pairs.tsv", read_tsv),
    "prepared pairs": Reader(8, "prepared/*", read_prepared, covered=True),
    "manifest, ONNX": Reader(8, "bundle/manifest.json", translate("onnx")),
    "manifest, inspect": Reader(2, "bundle/manifest.json", inspect_bundle),
    "bundle with its checksums, ONNX": Reader(6, BUNDLE, translate("onnx"), covered=True),
    "bundle with its checksums, LiteRT": Reader(3, BUNDLE, translate("litert"), covered=True),
    "ONNX signed again": Reader(8, "bundle/onnx/*.onnx", translate("onnx"), signed=True),
    "ONNX steps signed again": Reader(
        3, "bundle/onnx/*.onnx", translate("onnx", search="host"), signed=True
    ),
    "LiteRT signed again": Reader(5, "bundle/litert/*.tflite", translate("litert"), signed=True),
    "tokenizers and shortlist signed again": Reader(
        4, "bundle/*[lt]*.[mn]*[lz]", translate("onnx"), signed=True
    ),
    "Keras signed again": Reader(1, "bundle/model.keras", translate("keras"), signed=True),
    "SavedModel signed again": Reader(
        1, "bundle/saved_model/1/**/*", translate("saved_model"), signed=True
    ),
    "ONNX, inspect": Reader(5, "bundle/onnx/*.onnx", inspect),
    "LiteRT, inspect": Reader(5, "bundle/litert/*.tflite", inspect),
    "SavedModel, inspect": Reader(2, "bundle/saved_model/1/saved_model.pb", inspect),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=3200, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, printed")
    parser.add_argument("--readers", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument(
        "--room", type=pathlib.Path, help="folder to keep the whole files in, and to take them from"
    )
    given = parser.parse_args(argv)
    seed = random.SystemRandom().randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="fuzz_") as folder:
        room = pathlib.Path(folder) / "whole"
        kept = given.room or room
        if not kept.exists():
            maker = spawn.Process(target=make_room, args=(kept,))
            maker.start()
            maker.join()
        if kept != room:
            shutil.copytree(kept, room)
        print("| reader | inputs | as before | other content | clear error | uncaught | wrong |")
        print("|---|---|---|---|---|---|---|", flush=True)
        shares = sum(READERS[name].share for name in given.readers)
        totals: collections.Counter[str] = collections.Counter()
        for name in given.readers:
            count = -(-given.cases * READERS[name].share // shares)
            counts = fuzzed(spawn, room, name, count, seed)
            totals += counts
            print(row(name, counts), flush=True)
        print(row("all", totals))
    return int(bool(totals["uncaught"] + totals["wrong"]))


def row(name: str, counts: collections.Counter[str]) -> str:
    kinds = ("same", "other", "error", "uncaught", "wrong")
    cells = [str(counts[kind]) for kind in kinds]
    return f"| {name} | {counts.total()} | {' | '.join(cells)} |"


def fuzzed(spawn, room: pathlib.Path, name: str, count: int, seed: int) -> collections.Counter[str]:
    """Reads `count` damaged inputs in child processes; a new one after each that dies."""
    counts: collections.Counter[str] = collections.Counter()
    done = 0
    while done < count:
        ours, theirs = spawn.Pipe()
        child = spawn.Process(target=read_all, args=(theirs, room, name, done, count, seed))
        child.start()
        theirs.close()
        try:
            while done < count:
                if not ours.poll(2 * SECONDS if done else 4 * SECONDS):
                    raise EOFError
                kind, told = ours.recv()
                counts[kind] += 1
                if kind in ("uncaught", "wrong"):
                    print(f"{kind}: {name}, seed {seed}, input {done}: {told}", flush=True)
                done += 1
        except EOFError:
            child.kill()
            child.join()
            print(f"uncaught: {name}, seed {seed}, input {done}: exit {child.exitcode}", flush=True)
            counts["uncaught"] += 1
            done += 1
        child.join()
    return counts


def read_all(pipe, room: pathlib.Path, name: str, first: int, count: int, seed: int) -> None:
    """Reads inputs one by one and tells what came of each."""
    import warnings

    warnings.simplefilter("ignore")
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)  # the parsers write there themselves
    reader = READERS[name]
    files = sorted(path for path in room.glob(reader.targets) if path.is_file())
    wanted = {path: reader.read(room, path) for path in files}
    for number in range(first, count):
        draw = random.Random(f"{seed} {name} {number}")
        path = draw.choice(files)
        with tempfile.TemporaryDirectory(dir=room.parent) as folder:
            copy = pathlib.Path(folder, "damaged")
            shutil.copytree(room, copy, copy_function=os.link)
            target = copy / path.relative_to(room)
            content, shown = mutated(path, draw)
            target.unlink()
            target.write_bytes(content)
            if reader.signed:
                sign(copy / "bundle", target)
            pipe.send(outcome(reader, copy, target, wanted[path], reader.covered and shown))


def outcome(
    reader: Reader, room: pathlib.Path, path: pathlib.Path, wanted: str, covered: bool
) -> tuple[str, str]:
    start, memory = time.monotonic(), peak()
    try:
        found = reader.read(room, path)
    except ALLOWED as error:
        names = str(path), str(path.parent), str(room / "bundle")
        if not any(name in str(error) for name in names):
            return "uncaught", f"names no file: {error!r:.300}"
        result = "error", ""
    except BaseException as error:
        return "uncaught", f"{error!r:.300}"
    else:
        found = found.replace(str(room), "ROOM")
        same = found == wanted or reader.read is inspect
        result = ("same" if same else "wrong" if covered else "other"), ""
    if (seconds := time.monotonic() - start) > SECONDS:
        return "uncaught", f"took {seconds:.0f} s"
    if (grown := peak() - memory) > MEMORY:
        return "uncaught", f"took {grown / 2**20:.0f} MiB"
    return result


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sign(bundle: pathlib.Path, path: pathlib.Path) -> None:
    """Writes the size and the checksum of a damaged file into the manifest."""
    name, place = path.relative_to(bundle).as_posix(), bundle / "manifest.json"
    manifest = json.loads(place.read_text("utf-8"))
    content = path.read_bytes()
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest["files"][name] = entry
    place.unlink()
    place.write_text(json.dumps(manifest), "utf-8")


def make_room(room: pathlib.Path) -> None:
    """Writes one whole file of each kind."""
    from conftest import tiny_config, tiny_model, word_pairs, word_tokenizers

    import keras_seq2seq
    from keras_seq2seq.training.recipe import Recipe
    from keras_seq2seq.training.training_state import TrainingState

    room.mkdir()
    tokenizers = word_tokenizers()
    sizes = tokenizers.vocabulary_sizes
    config = tiny_config(source_vocabulary_size=sizes[0], target_vocabulary_size=sizes[1])
    model = tiny_model(config, tokenizers=tokenizers)
    shortlist = keras_seq2seq.Shortlist.of_texts(word_pairs(50), tokenizers)
    keras_seq2seq.export(
        model,
        room / "bundle",
        quantization="float32",
        sentences=TEXTS[:2],
        shortlist=shortlist,
        verbose=False,
    )
    shortlist.save(room / "shortlist.npz")
    model.compile()
    model.save(room / "model.keras")
    TrainingState.of(model, 3, 5, "fingerprint", []).save(room / "state.npz")
    lines = [f"{source}\t{target}" for source, target in word_pairs(200)]
    (room / "pairs.tsv").write_text("\n".join(lines), "utf-8")
    make_prepared(room)
    (room / "recipe.toml").write_text(Recipe().to_toml(), "utf-8")


def digest(*parts: bytes) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
