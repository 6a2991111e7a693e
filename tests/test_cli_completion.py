"""What a shell completes, asked of the shell itself."""

import shutil
import subprocess

import pytest

from keras_seq2seq.cli.main import build_parser, main

ASK = """
source /dev/stdin
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_keras_seq2seq
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts():
    from keras_seq2seq.cli.completion import script

    commands = build_parser()._subparsers._group_actions[0]
    return {shell: script(shell, commands) for shell in ("bash", "zsh", "fish")}


def completed(scripts, *words):
    """Returns what bash offers for the last word."""
    command = ["bash", "-c", ASK, "bash", "keras-seq2seq", *words]
    done = subprocess.run(
        command, input=scripts["bash"], text=True, capture_output=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], ["train", "translate"]),
        (["train", "--fi"], ["--fine-tune"]),
        (["translate", "bundle", "--runtime", ""], ["onnx", "litert", "saved_model", "keras"]),
        (["translate", "--runtime", "onnx", ""], []),  # then files
        (["export", "run", "--formats", "onnx", "l"], ["litert"]),
        (["completion", "f"], ["fish"]),
        (["train", ""], []),
    ],
)
def test_bash_completes_commands_options_and_values(scripts, words, offered):
    assert completed(scripts, *words) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_script(scripts, shell):
    assert "--fine-tune" in scripts[shell] or "-l fine-tune" in scripts[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n"], input=scripts[shell], text=True, check=True)


def test_the_command_prints_the_script(capsys):
    assert main(["completion", "bash"]) == 0
    assert capsys.readouterr().out.endswith(" -F _keras_seq2seq keras-seq2seq\n")
