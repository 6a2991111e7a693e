"""Trains small models, writes them as Marian does, and has the engine of Marian translate:

    python write_pretrained_marian.py PYTHON310 pretrained_marian.tar.xz

PYTHON310 is a Python 3.10 with the wheel bergamot 0.4.5 and PyYAML, which no test needs. The
archive holds a folder for each model with model.npz, vocab.spm, lex.bin, and `expected.json`: the
translations of the engine and its mean log-probability of each word. "int8" are those of the 8-bit
model that `write_bin` makes.
"""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import keras
import numpy as np
from marian_files import (
    marian_options,
    marian_tensors,
    marian_vocabulary,
    with_options,
    write_bin,
    write_lex,
)

from keras_seq2seq import PairBatches, Seq2Seq, Seq2SeqConfig, Shortlist, Tokenizer, TokenizerPair
from keras_seq2seq.phrasebook.corpus import generate

# Without pad and bos a multiple of 8, which the engine needs for 8 bits.
PIECES, LEARNT, TEXTS, EPOCHS = 458, 192, 24, 60
MODELS = {
    "student": {"decoder_cell": "ssru", "activation": "relu"},
    "transformer": {"activation": "swish"},
}
FIRST, CANDIDATES = 30, 8
# Runs in Python 3.10. The module is loaded without its package, which would ask the network.
ENGINE = """
import ctypes, glob, importlib.util, json, os, sys
import bergamot_path
spec = importlib.util.spec_from_file_location("_bergamot", bergamot_path.PATH)
engine = importlib.util.module_from_spec(spec)
spec.loader.exec_module(engine)
service = engine.Service(engine.ServiceConfig(numWorkers=1, cacheSize=0, logLevel="warn"))
options = engine.ResponseOptions(alignment=True, qualityScores=True, sentenceMappings=False)
pointer = lambda at: ctypes.c_uint64.from_address(at).value
places = lambda at, size: range(pointer(at), pointer(at + 8), size)
request = json.load(open(sys.argv[1]))
found = {}
for name, path in request["configs"].items():
    model = service.modelFromConfigPath(path)
    found[name] = []
    for text in request["texts"]:
        response = service.translate(model, engine.VectorString([text]), options)[0]
        # The C++ object behind the Python one: source, target (56 bytes each), then the scores.
        scores = places(pointer(id(response) + 16) + 112, 56)
        words = [
            [ctypes.c_float.from_address(at).value for at in places(one, 4)] for one in scores
        ]
        found[name].append({"text": response.target.text, "words": words[0] if words else []})
json.dump(found, open(sys.argv[2], "w"))
"""


def main(python: str, path: pathlib.Path) -> None:
    pairs = generate(size=2000).train[:LEARNT]
    with tempfile.TemporaryDirectory() as room:
        for name, options in MODELS.items():
            folder = pathlib.Path(room) / name
            folder.mkdir()
            write(folder, trained(pairs, options), pairs)
            expected = translated(python, folder, [source for source, _ in pairs[:TEXTS]])
            (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False))
            print(name, {key: found[0]["text"] for key, found in expected["engine"].items()})
            for file in (*folder.glob("*.yml"), *folder.glob("*.intgemm.bin")):
                file.unlink()
        with tarfile.open(path, "w:xz", preset=9) as archive:
            archive.add(room, "pretrained_marian")


class NoRows(keras.callbacks.Callback):
    """Keeps the rows of pad and bos at zero, which Marian does not have."""

    def on_train_batch_end(self, batch, logs=None):
        table = self.model.encoder.get_layer("embedding").embeddings
        values = keras.ops.convert_to_numpy(table).copy()
        values[[0, 2]] = 0
        table.assign(values)


def trained(pairs: tuple, options: dict) -> Seq2Seq:
    keras.utils.set_random_seed(3)
    tokenizer = Tokenizer.train([text for pair in pairs for text in pair], PIECES)
    config = Seq2SeqConfig(
        tokenizer.vocabulary_size,
        tokenizer.vocabulary_size,
        encoder="transformer",
        decoder="transformer",
        # The engine's products of 8 bits need multiples of 64.
        embedding_dim=64,
        units=64,
        num_heads=4,
        feedforward_dim=128,
        num_encoder_layers=2,
        num_decoder_layers=1,
        normalization="post",
        positions="marian",
        norm_epsilon=1e-9,
        share_embeddings=True,
        tie_output=True,
        output_bias=True,
        max_length=48,
        dropout=0.0,
        **options,
    )
    model = Seq2Seq(config, tokenizers=TokenizerPair(tokenizer, tokenizer))
    batches = PairBatches(pairs, model.tokenizers, tokens_per_batch=800, num_shapes=2)
    model.compile(optimizer=keras.optimizers.Adam(4e-3, global_clipnorm=1.0), metrics=[])
    history = model.fit(batches, epochs=EPOCHS, callbacks=[NoRows()], verbose=0)
    print("loss", round(history.history["loss"][-1], 3), flush=True)
    for weight in model.weights:  # half of the bits are zeros, and cost nothing in the archive
        bits = keras.ops.convert_to_numpy(weight).astype("<f4").view("<u4")
        weight.assign((bits & 0xFFFF0000).view("<f4"))
    return model


def write(folder: pathlib.Path, model: Seq2Seq, pairs: tuple) -> None:
    vocabulary, rows = marian_vocabulary(model.tokenizers.source)
    (folder / "vocab.spm").write_bytes(vocabulary)
    options = marian_options(model.config, **{"dim-vocabs": [len(rows), len(rows)]})
    arrays = with_options(marian_tensors(model, rows), options)
    np.savez(folder / "model.npz", **arrays)
    write_bin(folder / "model.intgemm.bin", arrays, eight_bits=True)
    old = {new: i for i, new in enumerate(rows.tolist())}
    learnt = Shortlist.of_texts(pairs, model.tokenizers, num_candidates=CANDIDATES)
    lists = [sorted(old[i] for i in learnt.candidates[new] if i in old) for new in rows]
    write_lex(folder / "lex.bin", lists, FIRST)


def translated(python: str, folder: pathlib.Path, texts: list[str]) -> dict:
    import yaml

    variants = {
        "greedy": {"models": ["model.npz"], "beam-size": 1, "gemm-precision": "float32"},
        "beam": {"models": ["model.npz"], "beam-size": 4, "gemm-precision": "float32"},
        "int8": {"models": ["model.intgemm.bin"], "beam-size": 1, "gemm-precision": "int8"},
        "shortlist": {
            "models": ["model.npz"],
            "beam-size": 1,
            "gemm-precision": "float32",
            "shortlist": ["lex.bin", False],
        },
    }
    configs = {}
    for name, options in variants.items():
        path = folder / f"{name}.yml"
        path.write_text(yaml.safe_dump({**SETTINGS, **options}))
        configs[name] = str(path)
    request, answer, code = (folder / file for file in ("request.yml", "answer.yml", "engine.yml"))
    request.write_text(json.dumps({"configs": configs, "texts": texts}))
    code.write_text(ENGINE)
    found = subprocess.run(
        [python, "-c", FIND], check=True, capture_output=True, text=True
    ).stdout.strip()
    room = folder.parent.with_name(f"{folder.parent.name}_engine")
    room.mkdir(exist_ok=True)
    (room / "bergamot_path.py").write_text(f"PATH = {found!r}\n")
    command = [python, str(code), str(request), str(answer)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(room)})
    return {"texts": texts, "engine": json.loads(answer.read_text())}


FIND = """
import glob, importlib.util
print(glob.glob(importlib.util.find_spec("bergamot").submodule_search_locations[0] + "/*.so")[0])
"""
SETTINGS = {
    "vocabs": ["vocab.spm", "vocab.spm"],
    "normalize": 1.0,
    "word-penalty": 0,
    "mini-batch": 1,
    "maxi-batch": 1,
    "maxi-batch-sort": "src",
    "mini-batch-words": 1024,
    "workspace": 128,
    "max-length-factor": 3.0,
    "skip-cost": False,
    "cpu-threads": 1,
    "quiet": True,
    "quiet-translation": True,
    "alignment": "soft",
    "ssplit-mode": "paragraph",
    "ssplit-prefix-file": "",
    "max-length-break": 200,
}


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
