import json

import pytest

from keras_seq2seq.cli.input_texts import InputTexts
from keras_seq2seq.cli.output_file import OutputFile
from keras_seq2seq.cli.resumed import skip_translated

SOURCES = [f"line {i}" for i in range(100)]


def upper(texts):
    return [text.upper() for text in texts]


def rest(path, content, sources=SOURCES, translate=upper, share=1.0):
    """Returns the lines that are left after a check."""
    path.write_text(content, "utf-8")
    lines = iter([f"{source}\n".encode() for source in sources])
    output = OutputFile(path, resume=True, force=False)
    try:
        skip_translated(output, lines, InputTexts("input", "strict"), translate, share)
    finally:
        output.close()
        assert path.read_text("utf-8") == content
    return [line.decode().rstrip("\n") for line in lines]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 33, 99, 100])
@pytest.mark.parametrize("half", ["", "LIN"])
def test_it_goes_on_after_the_whole_lines(tmp_path, count, half):
    content = "".join(f"{text}\n" for text in upper(SOURCES[:count])) + half
    assert rest(tmp_path / "out", content) == SOURCES[count:]


def test_few_lines_are_translated_again(tmp_path):
    asked = []

    def translate(texts):
        asked.extend(texts)
        return upper(texts)

    sources = [f"line {i}" for i in range(1000)]
    rest(tmp_path / "out", "".join(f"{text}\n" for text in upper(sources)), sources, translate)
    assert len(asked) <= 33 and asked[0] == sources[0] and asked[-16:] == sources[-16:]


@pytest.mark.parametrize(
    "sources", [SOURCES[1:], [*SOURCES[:49], "other"], [*SOURCES[:10], "new", *SOURCES[10:]]]
)
def test_another_input_is_refused(tmp_path, sources):
    content = "".join(f"{text}\n" for text in upper(SOURCES[:50]))
    with pytest.raises(ValueError, match="needs the same input, bundle and options as before: "):
        rest(tmp_path / "out", content, sources)


def test_a_shorter_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: 100 lines for 101 translations"):
        rest(tmp_path / "out", "x\n" * 101)


def test_of_quantised_files_a_few_may_differ(tmp_path):
    lines = upper(SOURCES[:50])
    lines[-2] = "another"
    content = "".join(f"{text}\n" for text in lines)
    assert rest(tmp_path / "out", content, share=7 / 8) == SOURCES[50:]
    with pytest.raises(ValueError, match="1 of 28 lines .* Received in line 49 of"):
        rest(tmp_path / "out", content)


def test_numbers_of_json_may_differ_and_texts_may_not(tmp_path):
    def translated(score, shift=""):
        def translate(texts):
            rows = [[{"translation": text + shift, "score": score}] for text in texts]
            pairs = zip(texts, rows, strict=True)
            return [json.dumps({"source": text, "hypotheses": row}) for text, row in pairs]

        return translate

    content = "".join(f"{line}\n" for line in translated(0.5)(SOURCES[:20]))
    assert rest(tmp_path / "out", content, translate=translated(0.500001)) == SOURCES[20:]
    for other in (translated(0.5, "!"), upper):
        with pytest.raises(ValueError, match="20 of 20 lines"):
            rest(tmp_path / "out", content, translate=other)
