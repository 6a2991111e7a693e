"""Options that contradict each other, or that would change nothing."""

import pytest
from command_line import released_bundle

from keras_seq2seq.cli.main import main

EVALUATE = ("--source", "s", "--reference", "r")
EXPORT = ("none.keras", "--output-dir", "out")


def refusal(capsys, command, place, *options):
    """Returns what a command that is refused tells."""
    assert main([command, str(place), *options]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--alpha", "0.5"], "--alpha would change nothing: it takes --beam-size above 1"),
        (["--patience", "2", "--coverage-penalty", "1"], "--coverage-penalty, --patience would"),
        (["--num-hypotheses", "1"], "--num-hypotheses would change nothing"),
        (["--seed", "0"], "--seed would change nothing: it takes --sample"),
        (["--beam-size", "2", "--top-k", "3"], "--top-k would change nothing: it takes --sample"),
        (["--sample", "--alpha", "1"], "--alpha would change nothing: it takes a beam search"),
        (["--runtime", "keras", "--threads", "1"], "--threads would change nothing: it takes a"),
        (["--beam-size", "2", "--num-hypotheses", "2"], "--num-hypotheses above 1 needs --json"),
        (["--prefix", "un", "--search", "in_file"], "--prefix needs the search on the host"),
        (["--prefix", "\udce9"], "--prefix must be UTF-8. Received: '\\udce9'"),
        (["--plot-attention", "a.svg"], "--plot-attention must name a .png file. Received: a.svg"),
        (["--resume"], "--resume would change nothing: it takes --output"),
        (["--force"], "--force would change nothing: it takes --output"),
    ],
)
def test_translate_refuses_what_has_no_effect(capsys, options, told):
    assert told in refusal(capsys, "translate", released_bundle(), *options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--metrics", "chrf", "--tokenize", "none"], "--tokenize would change nothing: it takes"),
        (["--metrics", "wer", "--bootstrap", "0"], "--bootstrap would change nothing: it takes"),
    ],
)
def test_evaluate_refuses_what_has_no_effect(capsys, options, told):
    assert told in refusal(capsys, "evaluate", "bundle", *EVALUATE, *options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--formats", "onnx", "--quantization", "int8"], "it takes --formats litert. Received: o"),
        (["--formats", "saved_model", "--quantization", "float16"], "--formats onnx or litert."),
        (["--max-quality-drop", "0.1"], "--max-quality-drop would change nothing: it takes --eval"),
        (["--quality-metric", "chrf"], "--quality-metric would change nothing"),
        (["--tokenize", "none"], "--tokenize would change nothing: it takes --evaluation"),
        (
            ["--evaluation", "s", "r", "--quality-metric", "chrf", "--tokenize", "none"],
            "--tokenize would change nothing: it takes --quality-metric bleu",
        ),
        (
            ["--evaluation", "s", "r", "--formats", "saved_model", "--max-quality-drop", "1"],
            "--max-quality-drop would change nothing: it takes a quantised file",
        ),
        (["--errors", "strict"], "--errors would change nothing"),
        (["--alpha", "1"], "--alpha would change nothing: it takes --beam-size above 1"),
        (["--onnx-opset", "23", "--formats", "litert"], "--onnx-opset would change nothing"),
        (["--onnx-single-files", "--formats", "litert"], "--onnx-single-files would change"),
    ],
)
def test_export_refuses_what_has_no_effect(capsys, options, told):
    assert told in refusal(capsys, "export", *EXPORT, *options)


def test_a_single_file_has_no_summary(capsys):
    path = released_bundle() / "litert" / "model_float32.tflite"
    assert "--summary would change nothing" in refusal(capsys, "inspect", path, "--summary")


def test_verify_reads_no_text_without_a_file(capsys):
    assert "it takes --text" in refusal(capsys, "verify", released_bundle(), "--errors", "strict")


def test_what_argparse_refuses_is_escaped(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["translate", "bundle", "--none", "\x1b[2J"])
    assert "unrecognized arguments: --none \\x1b[2J" in capsys.readouterr().err


def test_the_help_explains_the_exit_status(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    for part in ("0 done", "1 failed", "2 wrong usage", "130 stopped by Ctrl-C", "143", "141"):
        assert part in printed
