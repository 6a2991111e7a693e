import json

import pytest

from keras_seq2seq import Recipe, read_dataset, read_parquet, stream_parquet
from keras_seq2seq.training import corpus_tables
from keras_seq2seq.training.corpus import CorpusError
from keras_seq2seq.training.corpus_parts import files_of, read_parts

pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet")

PAIRS = [(f"dog {i}", f"chien {i}") for i in range(25)]
BOTH = tuple(zip(*PAIRS, strict=True))


def table(sides=BOTH, nested=False, **others):
    columns = {"en": list(sides[0]), "fr": list(sides[1])}
    if nested:
        columns = {
            "translation": [dict(zip(columns, p, strict=True)) for p in zip(*sides, strict=True)]
        }
    return pyarrow.table({**others, **columns})


def write_parquet(path, found):
    parquet.write_table(found, path, row_group_size=7)
    return path


def write_dataset(folder, *tables):
    """Writes what `datasets.Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(tables):05d}.arrow" for i in range(len(tables))]
    for name, found in zip(names, tables, strict=True):
        with pyarrow.ipc.new_stream(str(folder / name), found.schema) as writer:
            writer.write_table(found, max_chunksize=6)
    files = [{"filename": name} for name in names]
    (folder / "state.json").write_text(json.dumps({"_data_files": files, "_split": "train"}))
    return folder


@pytest.mark.parametrize("nested", [False, True])
def test_both_kinds_give_the_pairs_in_their_order(tmp_path, nested, monkeypatch):
    monkeypatch.setattr(corpus_tables, "ROWS", 4)
    found = table(nested=nested, id=list(range(25)))
    path = write_parquet(tmp_path / "a.parquet", found)
    assert list(read_parquet(path, "en", "fr").pairs) == PAIRS
    folder = write_dataset(tmp_path / "set", found[:9], found[9:])
    assert list(read_dataset(folder, "en", "fr").pairs) == PAIRS
    swapped = [pair[::-1] for pair in PAIRS]
    assert list(read_dataset(folder, "fr", "en").pairs) == swapped


def test_a_folder_and_a_pattern_are_read_by_name(tmp_path):
    for name, rows in {"train-2": PAIRS[9:], "train-1": PAIRS[:9], "test-1": PAIRS[:2]}.items():
        write_parquet(tmp_path / f"{name}.parquet", table(list(zip(*rows, strict=True))))
    pattern = tmp_path / "train-*.parquet"
    assert list(read_parquet(pattern, "en", "fr").pairs) == PAIRS
    assert list(read_parquet(tmp_path, "en", "fr").pairs) == [*PAIRS[:2], *PAIRS]


def test_rows_without_texts_are_faults_of_their_row(tmp_path):
    sources = ["dog", None, " ", "cat", "bird"]
    targets = ["chien", "a", "b", None, "oiseau"]
    path = write_parquet(tmp_path / "a.parquet", table((sources, targets)))
    with pytest.raises(
        CorpusError, match=r"a\.parquet: row 2: NoneType, expected a string"
    ) as caught:
        read_parquet(path, "en", "fr")
    assert caught.value.report.counts == {"malformed rows": 2, "empty sides": 1}
    found = read_parquet(path, "en", "fr", policy="drop")
    assert found.pairs == (("dog", "chien"), ("bird", "oiseau"))
    nested = pyarrow.table({"translation": [None, {"en": "dog", "fr": "chien"}]})
    path = write_parquet(tmp_path / "b.parquet", nested)
    assert read_parquet(path, "en", "fr", policy="drop").pairs == (("dog", "chien"),)


def test_columns_must_be_there(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", table())
    with pytest.raises(
        CorpusError, match=r"must name columns. Received: \['en', 'de'\], but .* has"
    ):
        read_parquet(path, "en", "de")
    path = write_parquet(tmp_path / "b.parquet", table(nested=True))
    with pytest.raises(CorpusError, match=r"must be in 'translation'. Received: \['en', 'de'\]"):
        read_parquet(path, "en", "de")


def test_what_is_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Corpus files do not exist: .*nothing\.parquet"):
        stream_parquet(tmp_path / "nothing.parquet", "en", "fr")
    with pytest.raises(FileNotFoundError, match=r"Corpus files do not exist: .*\*\.parquet"):
        read_parquet(tmp_path, "en", "fr")
    (tmp_path / "text.parquet").write_text("dog\n")
    with pytest.raises(CorpusError, match=r"text\.parquet cannot be read \("):
        read_parquet(tmp_path / "text.parquet", "en", "fr")
    with pytest.raises(FileNotFoundError, match="is no dataset that `save_to_disk` wrote"):
        read_dataset(tmp_path, "en", "fr")


def test_broken_datasets_are_refused(tmp_path):
    folder = write_dataset(tmp_path / "set" / "train", table())
    (folder.parent / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(CorpusError, match="is read part by part. .* name one of .*set/train"):
        read_dataset(folder.parent, "en", "fr")
    (data,) = folder.glob("*.arrow")
    data.write_bytes(data.read_bytes()[:200])
    with pytest.raises(CorpusError, match=r"arrow cannot be read \("):
        read_dataset(folder, "en", "fr")
    data.unlink()
    with pytest.raises(FileNotFoundError, match="Corpus files do not exist: .*arrow"):
        read_dataset(folder, "en", "fr")
    for text in ("", "[]", '{"_data_files": [3]}'):
        (folder / "state.json").write_text(text)
        with pytest.raises(CorpusError, match=r"state\.json cannot be read \("):
            read_dataset(folder, "en", "fr")
    (folder / "state.json").write_text('{"_data_files": [], "_indices_data_files": [{}]}')
    with pytest.raises(CorpusError, match="holds a selection of the rows"):
        read_dataset(folder, "en", "fr")


@pytest.mark.parametrize("form", ["parquet", "dataset"])
def test_recipes_name_them(tmp_path, form):
    if form == "parquet":
        write_parquet(tmp_path / "a.parquet", table())
        write_parquet(tmp_path / "b.parquet", table(([*BOTH[0], "x"], [*BOTH[1], "y"])))
        names = ["a.parquet", "b.par*"]
    else:
        write_dataset(tmp_path / "a", table())
        write_dataset(tmp_path / "b", table(([*BOTH[0], "x"], [*BOTH[1], "y"])))
        names = ["a", "b"]
    data = {"format": form, "folder": str(tmp_path), "train": names, "weights": [1, 2]}
    data |= {"source_field": "en", "target_field": "fr", "validation": names[:1]}
    recipe = Recipe.from_tables({"data": data})
    parts = read_parts(recipe)
    assert list(parts.train) == [*PAIRS, *[*PAIRS, ("x", "y")] * 2]
    assert parts.report.startswith("train, corpus 1: 25 pairs kept, 0 errors\ntrain, corpus 2: 26")
    assert len(files_of(recipe)) == 3
