"""Nine small runs for the soak of kills: their recipes, and how one is trained and compared."""

import csv
import io
import json
import pathlib
import random
import re
import zipfile

import h5py
import numpy as np

WORDS = {
    "the": "le",
    "dog": "chien",
    "cat": "chat",
    "bird": "oiseau",
    "sees": "voit",
    "wants": "veut",
    "red": "rouge",
    "small": "petit",
    "old": "vieux",
    "here": "ici",
}
BASE = {
    "tokenizer": {
        "joint": False,
        "vocabulary_size": 0,
        "source_level": "word",
        "target_level": "word",
    },
    "model": {"embedding_dim": 8, "units": 8, "dropout": 0.2, "max_length": 12},
    "training": {
        "epochs": 3,
        "tokens_per_batch": 60,
        "num_shapes": 1,
        "learning_rate": 0.02,
        "save_every": 3,
        "evaluate_size": 8,
        "seed": 3,
    },
}
TRANSFORMER = {"num_heads": 2, "feedforward_dim": 8}
CONFIGURATIONS = {
    "recurrent": {},
    "transformer": {
        "model": {"encoder": "transformer", "decoder": "transformer", **TRANSFORMER},
        "training": {"metric": "loss"},
    },
    "ssru": {"model": {"encoder": "transformer", "decoder_cell": "ssru", **TRANSFORMER}},
    "subword sampling": {
        "tokenizer": {
            "joint": True,
            "vocabulary_size": 290,
            "source_level": "subword",
            "sampling_alpha": 0.3,
        },
        "model": {"max_length": 40},
        "training": {"tokens_per_batch": 160},
    },
    "accumulation": {"training": {"accumulation_steps": 3, "weight_decay": 0.01}},
    "moving average": {"training": {"ema_momentum": 0.9, "patience": 9}},
    "r-drop": {"training": {"r_drop": 2.0, "label_smoothing": 0.1}},
    "cosine, two steps per execution": {
        "training": {"schedule": "cosine", "warmup_steps": 4, "steps_per_execution": 2}
    },
    "average of the best, fine-tuned": {
        "training": {"average_best": 2, "schedule": "inverse_sqrt", "warmup_steps": 4}
    },
}
FINE_TUNED = "average of the best, fine-tuned"


def write_corpus(folder: pathlib.Path) -> None:
    """Writes the parts of a language that is translated word for word."""
    draw = random.Random(1)
    for name, count in {"train": 80, "validation": 8, "test": 4}.items():
        texts = [draw.choices(list(WORDS), k=draw.randint(1, 6)) for _ in range(count)]
        rows = [f"{' '.join(t)}\t{' '.join(WORDS[word] for word in t)}\n" for t in texts]
        (folder / f"{name}.tsv").write_text("".join(rows), "utf-8")


def run(corpus: pathlib.Path, folder: pathlib.Path, configuration: str) -> None:
    """Trains a configuration in a folder; its base is trained already, in `corpus`/base."""
    from keras_seq2seq import Recipe
    from keras_seq2seq.training.train import train

    own = CONFIGURATIONS[configuration]
    tables = {name: {**table, **own.get(name, {})} for name, table in BASE.items()}
    parts = {name: [f"{name}.tsv"] for name in ("train", "validation", "test")}
    tables["data"] = {"format": "tsv", "folder": str(corpus), **parts}
    is_tuned = configuration == FINE_TUNED
    train(Recipe.from_tables(tables), folder, fine_tune=corpus / "base" if is_tuned else None)


def differences(expected: pathlib.Path, found: pathlib.Path) -> list[str]:
    """Returns what differs between two runs that should have ended alike."""
    faults = []
    for name in ("state.npz", "model.keras"):
        a, b = _numbers(expected / name), _numbers(found / name)
        if a.keys() != b.keys():
            faults.append(f"{name} holds {sorted(a.keys() ^ b.keys())} in one run only")
        faults += [f"{name}: {key}" for key in a.keys() & b.keys() if a[key] != b[key]]
    for name in ("samples.txt", "sources.txt", "recipe.toml"):
        if (expected / name).read_bytes() != (found / name).read_bytes():
            faults.append(name)
    if _rows(expected) != _rows(found):
        faults.append("history.csv")
    if _lasting(expected) != _lasting(found):
        faults.append(f"report.json: {_lasting(expected)}, {_lasting(found)}")
    names = [sorted(p.relative_to(f).as_posix() for p in _files(f)) for f in (expected, found)]
    if names[0] != names[1]:
        faults.append(f"files: {sorted(set(names[0]) ^ set(names[1]))}")
    return faults


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files of a run."""
    return [path for path in folder.rglob("*") if path.is_file()]


def _numbers(path: pathlib.Path) -> dict[str, bytes]:
    """Returns the bytes of every array of a state or a model.

    Keras is left alone: TensorFlow's threads, once started here, would keep this process from
    forking trainings.
    """
    found: dict[str, bytes] = {}
    if path.suffix == ".npz":
        with np.load(path) as file:
            found = {name: file[name].tobytes() for name in file.files}
        meta = json.loads(found["meta"])
        del meta["callbacks"]["HistoryFile"]  # the size of a file that holds the speed
        # Keras numbers the seed generators of a process.
        meta["names"] = [re.sub(r"seed_generator_\d+", "seed_generator", n) for n in meta["names"]]
        return found | {"meta": json.dumps(meta).encode()}

    def keep(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item).tobytes()

    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content) as weights:
        weights.visititems(keep)
    return found


def _rows(folder: pathlib.Path) -> list[dict[str, str]]:
    """Returns the history without the speed."""
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k != "tokens_per_second"} for row in rows]


def _lasting(folder: pathlib.Path) -> dict[str, object]:
    """Returns what the report tells besides the time that the run took."""
    report = json.loads((folder / "report.json").read_text("utf-8"))
    of_time = ("training_seconds", "seconds", "tokens_per_second")
    return {k: v for k, v in report.items() if k not in of_time}
