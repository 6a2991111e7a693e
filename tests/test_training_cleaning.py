import gzip
import itertools
import json

import pytest
from conftest import word_pairs

from keras_seq2seq import CleaningRules, Recipe, clean
from keras_seq2seq.cli.main import main
from keras_seq2seq.training import cleaning, length_order
from keras_seq2seq.training.cleaning_rules import RULES, scripts_of
from keras_seq2seq.training.corpus_parts import StreamedParts, read_parts
from keras_seq2seq.training.pair_files import write_pairs

GOOD = list(dict.fromkeys(word_pairs(60, seed=1, longest=9)))
FAULTY = {
    "breaks": ("the dog\tthe cat", "le chien"),
    "length": ("the dog " * 201, "le chien " * 201),
    "identical": ("The dog  sees", "the DOG sees "),
    "ratio": ("the dog", "le chien voit un petit oiseau rouge ici"),
    "letters": ("12:30 -- 14:45 *** 3", "le chien voit un oiseau"),
    "script": ("the dog sees here", "собака видит здесь"),
    "mojibake": ("the summer is here", "l'Ã©tÃ© est ici"),
    "duplicates": (f" {GOOD[3][0]}", GOOD[3][1].replace(" ", "  ")),
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_finds_its_fault_and_no_other(name):
    pairs = [*GOOD, FAULTY[name]]
    cleaned = clean(pairs)
    assert list(cleaned) == list(cleaned) == GOOD
    assert cleaned.report.counts == {name: 1}
    assert (cleaned.report.read, cleaned.report.kept) == (len(pairs), len(GOOD))
    (example,) = cleaned.report.examples[name]
    assert example.startswith(f"pair {len(pairs)}")
    others = CleaningRules([rule for rule in RULES if rule != name])
    assert list(clean(pairs, others)) == pairs
    assert list(clean(pairs, CleaningRules([name]))) == GOOD


def test_good_pairs_are_kept():
    others = [
        ("Yes.", "Mais oui, bien sûr."),
        ("Are you 25?", "Avez-vous 25 ans ?"),
        ("Paris", "Paris !"),
    ]
    assert list(clean([*GOOD, *others])) == [*GOOD, *others]
    hindi = [("The dog sees the cat.", "कुत्ता बिल्ली को देखता है।")]
    chinese = [("The dog sees the cat now.", "这只狗现在看到了那只猫。")]
    for pairs in (hindi, chinese):
        assert list(clean(pairs)) == pairs


def test_limits_are_those_that_are_given():
    pairs = [("a dog sees", "chien " * 5)]
    assert not list(clean(pairs, CleaningRules(max_ratio=2.8)))
    assert list(clean(pairs, CleaningRules(max_ratio=2.9)))
    assert not list(clean(pairs, CleaningRules(max_words=4)))
    assert not list(clean(pairs, CleaningRules(max_characters=29)))
    assert list(clean([FAULTY["script"]]))  # it is the commonest script of the targets
    assert not list(clean([FAULTY["script"]], CleaningRules(target_script="Latin")))


def test_scripts():
    assert scripts_of("dog, 12") == {"latin": 3}
    assert scripts_of("été собака") == {"latin": 3, "cyrillic": 6}
    assert scripts_of("犬はイヌ") == {"cjk": 4}
    assert scripts_of("개 ... 5") == {"hangul": 1}


def test_any_number_of_parts_finds_the_same_duplicates(monkeypatch):
    pairs = list(itertools.islice(itertools.cycle(word_pairs(90, longest=3)), 400))
    expected = list(dict.fromkeys(pairs))
    only = CleaningRules(["duplicates"])
    assert list(clean(pairs, only)) == expected
    monkeypatch.setattr(cleaning, "SORTED_AT_ONCE", 30)
    monkeypatch.setattr(length_order, "PART", 70)
    cleaned = clean(pairs, only)
    assert list(cleaned) == expected
    assert len(cleaned.report.examples["duplicates"]) == 3


def test_a_faulty_pair_is_no_first_of_duplicates():
    pair = FAULTY["ratio"]
    assert clean([pair, pair, *GOOD]).report.counts == {"ratio": 2}


def test_nothing_to_clean():
    cleaned = clean([])
    assert list(cleaned) == []
    assert str(cleaned.report) == "0 of 0 pairs kept, 0 left out"


def test_what_cannot_be_read_twice_is_refused():
    with pytest.raises(ValueError, match="must stay as they are. Received: 0 than"):
        list(clean(iter(GOOD)))


def test_rules_are_checked_all_at_once():
    with pytest.raises(
        ValueError, match="(?s)some of breaks.*'x'.*max_ratio.*max_words.*min_script"
    ):
        CleaningRules(["x", "ratio"], max_ratio=0.5, max_words=0, min_script=2)
    with pytest.raises(ValueError, match=r"`rules` must be some of .* Received: \[\]"):
        CleaningRules([])


@pytest.fixture
def files(tmp_path):
    pairs = [*GOOD, *FAULTY.values()]
    pairs.remove(FAULTY["breaks"])
    write_pairs(pairs, [tmp_path / "a.en", tmp_path / "a.fr.gz"])
    write_pairs([*pairs, FAULTY["breaks"]], [tmp_path / "a.jsonl"])
    return tmp_path


def test_the_command_writes_what_is_kept_and_tells_the_rest(files, capsys):
    outputs = [files / "b.en", files / "b.fr.gz"]
    command = ["clean", *map(str, (files / "a.en", files / "a.fr.gz")), "--output"]
    assert main([*command, *map(str, outputs)]) == 0
    assert outputs[0].read_text("utf-8").splitlines() == [source for source, _ in GOOD]
    assert gzip.decompress(outputs[1].read_bytes()).decode().splitlines() == [t for _, t in GOOD]
    told = capsys.readouterr().out
    assert f"{len(GOOD)} of {len(GOOD) + 7} pairs kept, 7 left out\n" in told
    assert "  script: 1 with a side in which less than min_script" in told
    assert main([*command, *map(str, outputs)]) == 1
    assert "exists. Pass --force" in capsys.readouterr().err
    assert main([*command, *map(str, outputs), "--force", "--rules", "ratio"]) == 0
    assert len(outputs[0].read_text("utf-8").splitlines()) == len(GOOD) + 6


def test_the_command_reads_and_writes_both_sides_in_one_file(files, capsys):
    assert main(["clean", str(files / "a.jsonl"), "--output", str(files / "b.tsv")]) == 0
    assert (files / "b.tsv").read_text("utf-8") == "".join(f"{s}\t{t}\n" for s, t in GOOD)
    capsys.readouterr()
    assert main(["clean", str(files / "b.tsv"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["read"], report["counts"]) == (len(GOOD), {})
    assert report["rules"]["source_script"] == "latin"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "INPUT must be two files, or one that ends in .tsv"),
        (["a.tsv", "b", "c"], "INPUT must be two files"),
        (["no.tsv"], "Corpus files do not exist: no.tsv"),
        (["a.en", "a.fr.gz", "--columns", "0", "1"], "--columns would change nothing"),
        (["a.en", "a.fr.gz", "--source-field", "en"], "--source-field would change nothing"),
        (["a.jsonl", "--output", "b.txt"], "--output of both sides must end in .tsv or .jsonl"),
        (["a.jsonl", "--output", "b", "b"], "--output must be two files"),
        (["a.jsonl", "--output", "no/b.tsv"], "no does not exist; make that folder first"),
        (["a.jsonl", "--output", "b.tsv", "--rules", "ratio"], "Lines cannot hold a tab"),
        (["a.jsonl", "--max-words", "0"], "--max-words must be at least 1. Received: 0"),
    ],
)
def test_the_command_refuses(files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(files)
    before = sorted(files.iterdir())
    assert main(["clean", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert sorted(files.iterdir()) == before


def test_a_recipe_cleans_its_training_pairs(files):
    data = {"format": "jsonl", "folder": str(files), "train": ["a.jsonl", "a.jsonl"]}
    data |= {"clean": list(RULES), "validation": ["a.jsonl"]}
    recipe = Recipe.from_tables({"data": data})
    parts = read_parts(recipe)
    assert parts.train == (*GOOD, *GOOD)
    assert len(parts.validation) == len(GOOD) + 8
    assert f"train, corpus 2, cleaned: {len(GOOD)} of {len(GOOD) + 8} pairs kept" in parts.report
    for streamed in (
        StreamedParts.open(recipe),
        StreamedParts.reopen(recipe, parts.validation, (), parts.report),
    ):
        assert tuple(streamed.train) == parts.train
    with pytest.raises(
        ValueError, match=r"`data.clean` must be some of .* Received: \['nothing'\]"
    ):
        Recipe.from_tables({"data": {"clean": ["nothing", "ratio"]}})
