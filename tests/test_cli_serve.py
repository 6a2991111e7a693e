"""The command serve, as a process that is asked, asked to stop, and gone."""

import signal
import socket
import threading
import time

import pytest
from command_line import released_bundle

from keras_seq2seq.cli import serve
from keras_seq2seq.cli.main import main

pytest.importorskip("fastapi", reason="needs the extra serve")
from http_server import SOON, serving

from keras_seq2seq import Bundle, load

TEXTS = ["the dog", "a cat sees the old bird here"]


def libre(text):
    return {"q": text, "source": "en", "target": "fr"}


def test_it_answers_what_it_accepted_and_ends_by_its_signal():
    beam = Bundle.open(released_bundle()).beam  # as a SavedModel does, where it has one
    wanted = load(released_bundle(), "onnx", strategy=beam).translate(TEXTS)
    answers = []
    with serving("--max-wait-ms", "700", "--languages", "en", "fr") as (process, client, told):
        assert "serving translator at" in told and "runtime='onnx'" in told

        def ask():
            answers.append(client.post("/translate", libre(TEXTS)))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        metric = b"keras_seq2seq_queue_size 8.0"
        while metric not in client.get("/metrics")[1]:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(SOON)
        assert process.wait(SOON) == -signal.SIGTERM
        assert process.stderr.read() == b""
        with pytest.raises(ConnectionRefusedError):
            client.get("/health")
    assert answers == [(200, {"translatedText": wanted})] * 4


def test_options_reach_the_server(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("\nsecret\n", "utf-8")
    options = ["--api-keys", keys, "--name", "fr", "--model-version", "7", "--beam-size", "2"]
    options += ["--runtime", "litert", "--workers", "2", "--max-characters", "30"]
    with serving(*options) as (process, client, told):
        assert "BeamSearch(beam_size=2" in told and "runtime='litert'" in told
        assert client.get("/v1/models/fr/versions/7")[0] == 200
        assert client.post("/v1/models/fr:predict", {"instances": TEXTS})[0] == 401
        header = {"Authorization": "Bearer secret"}
        found = client.post("/v1/models/fr:predict", {"instances": ["the dog"]}, headers=header)
        assert found[0] == 200
        found = client.post("/v1/models/fr:predict", {"instances": ["a" * 31]}, headers=header)
        assert found[0] == 400
        assert client.get("/languages")[1][0]["code"] == "source"
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON) == -signal.SIGINT


def test_a_port_in_use_is_told_before_anything_is_loaded(capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        assert main(["serve", str(released_bundle()), "--port", port]) == 1
    told = capsys.readouterr().err
    assert f"127.0.0.1:{port} cannot be served: Address already in use. Stop what" in told
    assert "or name another --port." in told


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--languages", "en", "f r"], "--languages must be codes of languages"),
        (["--split-sentences"], "--split-sentences needs the language of the source, which this"),
        (["--model-version", "0"], "--model-version must be at least 1. Received: 0."),
        (["--name", "a/b"], "--name must have neither / nor :. Received: 'a/b'."),
        (["--workers", "0"], "--workers must be at least 1. Received: 0."),
        (["--max-characters", "0"], "--max-characters must be above 0. Received: 0."),
        (["--timeout", "-1"], "--timeout must be above 0. Received: -1.0."),
        (["--max-batch-size", "0"], "--max-batch-size must be at least 1. Received: 0."),
        (["--alpha", "1"], "--alpha would change nothing: it takes --beam-size above 1."),
        (["--port", "65536"], "--port must be 0 to 65535. Received: 65536."),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid:0 cannot be served: "),
        (["--api-keys", "KEYS"], "--api-keys must hold a key, one per line. Received: "),
    ],
)
def test_wrong_options(options, message, tmp_path, capsys):
    keys = tmp_path / "keys"
    keys.write_text("\n\n", "utf-8")
    options = [str(keys) if one == "KEYS" else one for one in options]
    assert main(["serve", str(released_bundle()), "--port", "0", *options]) == 1
    assert message in capsys.readouterr().err


def test_the_extra_is_named(monkeypatch, capsys):
    monkeypatch.setattr(serve, "PACKAGES", ("fastapi", "no_such_package"))
    assert main(["serve", str(released_bundle())]) == 1
    told = capsys.readouterr().err
    assert 'A server needs no_such_package: run `pip install ".[serve]"` in a checkout' in told
