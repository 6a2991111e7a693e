"""The clients of the kit export/tf_serving, against a stand-in that runs the real SavedModel."""

import importlib.util
import shutil
import socket
import subprocess
import sys
import types

import pytest
from conftest import ROOT, TEXTS
from serving_stand_in import Models, grpc_server, replies, rest_server

import keras_seq2seq

KIT = ROOT / "export" / "tf_serving"
SOURCES = [text for text in TEXTS if text]
pytestmark = [
    pytest.mark.skipif(not KIT.exists(), reason="needs the checkout: the wheel has no export/"),
    pytest.mark.skipif(
        importlib.util.find_spec("tensorflow_serving") is None,
        reason="needs tensorflow-serving-api",
    ),
]
KINDS = ("client_rest", "client_grpc")


@pytest.fixture(scope="module")
def models(bundle_of_all_formats, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    command = ["bash", KIT / "prepare.sh", bundle_of_all_formats, folder, "3"]
    subprocess.run(command, check=True)
    return Models.of(folder, {"stable": 3, "gone": 2})


@pytest.fixture(scope="module")
def servers(models):
    with rest_server(models) as rest, grpc_server(models) as grpc:
        yield {"client_rest": f"http://127.0.0.1:{rest}", "client_grpc": f"localhost:{grpc}"}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture
def client(monkeypatch, capsys):
    """Returns a function that runs a client: (status, lines of output, errors)."""
    monkeypatch.syspath_prepend(KIT)

    def run(kind, server, *arguments):
        monkeypatch.setattr(sys, "argv", [kind, "--server", server, *arguments])
        module = importlib.import_module(kind)
        try:
            status = module.main()
        except SystemExit as error:
            status = error.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return status, printed.out.splitlines(), printed.err

    return run


@pytest.mark.parametrize("which", [[], ["--version", "3"], ["--label", "stable"]])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_translated(client, servers, translating_model, kind, which):
    status, lines, _ = client(kind, servers[kind], *SOURCES, *which)
    found = [line.removesuffix("[cut]").strip() for line in lines]
    assert (status, found) == (0, translating_model.translate(SOURCES))


@pytest.mark.parametrize("kind", KINDS)
def test_n_best_lists_are_printed(client, servers, translating_model, kind):
    strategy = keras_seq2seq.BeamSearch(4, 2)
    rows = keras_seq2seq.Translator.from_model(translating_model, strategy=strategy).n_best(SOURCES)
    expected = [" | ".join(one.text for one in row) for row in rows]
    assert client(kind, servers[kind], *SOURCES, "--n-best", "2")[:2] == (0, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_texts_are_answered_line_by_line(client, servers, translating_model, kind):
    overlong, not_utf8 = "dog " * 2000, "the \udcff dog"
    status, lines, _ = client(kind, servers[kind], "the dog", overlong, not_utf8, "")
    assert status == 0 and len(lines) == 4
    assert lines[1].endswith(" [cut]") and lines[3] == ""
    assert lines[2].startswith(translating_model.translate("the \ufffd dog"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "other"], "Servable not found for request: Latest(other)"),
        (["--model", "no/such model"], "Servable not found"),
        (["--version", "9"], "Specific(translator, 9)"),
        (["--label", "other"], "Unrecognized servable version label: other"),
        (["--label", "gone"], "Specific(translator, 2)"),
        (["--n-best", "65"], "`beam_size` must be 1 to 64"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_server_refuses_is_told(client, servers, kind, arguments, message):
    status, lines, errors = client(kind, servers[kind], "the dog", *arguments)
    if arguments == ["--model", "no/such model"] and kind == "client_rest":
        message = "no%2Fsuch%20model"
    assert (status, lines) == (1, []) and errors.startswith("Refused: ")
    assert message in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--version", "0"], "above 0"),
        (["--version", "v2"], "invalid int value: 'v2'"),
        (["--label", "a/b"], "letters, digits and _"),
        (["--label", "a", "--version", "1"], "not allowed with"),
        (["--timeout", "nan"], "above 0"),
        (["--server", "ftp://host:80:90"], "must be"),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_options_are_told(client, kind, arguments, message):
    server = "http://127.0.0.1:1" if kind == "client_rest" else "127.0.0.1:1"
    status, _, errors = client(kind, server, "the dog", *arguments)
    assert status == 2 and message in errors


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_is_down_is_told(client, kind):
    address = f"127.0.0.1:{free_port()}"
    server = f"http://{address}" if kind == "client_rest" else address
    status, _, errors = client(kind, server, "the dog")
    assert status == 3 and address in errors


def test_rest_has_a_time_out(client):
    with rest_server(None, handler=replies(b"{}", seconds=1)) as port:
        server = f"http://127.0.0.1:{port}"
        status, _, errors = client("client_rest", server, "the dog", "--timeout", "0.1")
    assert status == 3 and "did not answer within 0.1 seconds" in errors


def test_grpc_has_a_time_out(client, models):
    with grpc_server(models, seconds=1) as port:
        server = f"localhost:{port}"
        status, _, errors = client("client_grpc", server, "the dog", "--timeout", "0.3")
    assert status == 3 and "DEADLINE_EXCEEDED" in errors


ODD_ANSWERS = {
    "no JSON": (b"<html>\x1b[2J", 200, 3, "no answer of TensorFlow Serving: b'<html>\\x1b[2J'"),
    "no outputs": (b'{"predictions": []}', 200, 3, "no answer of TensorFlow Serving"),
    "a list": (b"[]", 200, 3, "no answer of TensorFlow Serving"),
    "another model": (b'{"outputs": {"y": [1]}}', 200, 3, "is no translator: "),
    "too few rows": (b'{"outputs": {"translation": [], "finished": []}}', 200, 3, "1 texts"),
    "a proxy's error": (b"Bad gateway", 502, 3, "HTTP status 502: b'Bad gateway'"),
    "an error that is no JSON": (b"no", 403, 1, "HTTP status 403: b'no'"),
    "escapes": (b'{"error": "\\u001b[2J"}', 400, 1, "Refused: \\x1b[2J"),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_answer_is_told(client, name):
    content, http_status, expected, message = ODD_ANSWERS[name]
    with rest_server(None, handler=replies(content, status=http_status)) as port:
        status, lines, errors = client("client_rest", f"http://127.0.0.1:{port}", "the dog")
    assert (status, lines) == (expected, []) and message in errors


def test_a_translation_stays_on_its_line(client):
    content = b'{"outputs": {"translation": ["a\\n\\u001b[2Jb\\u202f!"], "finished": [true]}}'
    with rest_server(None, handler=replies(content)) as port:
        found = client("client_rest", f"http://127.0.0.1:{port}", "the dog")
    assert found[:2] == (0, ["a\\n\\x1b[2Jb\u202f!"])


def test_another_model_over_grpc_is_told(client):
    other = types.SimpleNamespace(run=lambda *arguments: {"y": [1.0]})
    models = types.SimpleNamespace(session=lambda *arguments: other)
    with grpc_server(models) as port:
        status, _, errors = client("client_grpc", f"localhost:{port}", "the dog")
    assert status == 3 and "is no translator" in errors and "['y']" in errors


def ssl_config(*files, check=True):
    command = ["bash", KIT / "ssl_config.sh", *files]
    return subprocess.run(command, capture_output=True, text=True, check=check)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_grpc_with_tls(client, models, translating_model, tmp_path):
    import grpc

    key, cert = tmp_path / "-key 'a'.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    san = ["-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert]
    subprocess.run([*command.split(), *san], check=True, capture_output=True)
    written = dict(line.split(": ", 1) for line in ssl_config(key, cert).stdout.splitlines())
    pems = [written[n].strip('"').replace("\\n", "\n") for n in ("server_key", "server_cert")]
    assert pems == [key.read_text(), cert.read_text()]
    credentials = grpc.ssl_server_credentials([tuple(pem.encode() for pem in pems)])
    with grpc_server(models, credentials=credentials) as port:
        address = f"localhost:{port}"
        status, lines, _ = client("client_grpc", address, "the dog", "--ca", str(cert))
        assert status == 0 and lines[0].startswith(translating_model.translate("the dog"))
        status, _, errors = client("client_grpc", address, "the dog", "--timeout", "5")
    assert status == 3 and "UNAVAILABLE" in errors
    status, _, errors = client("client_grpc", address, "the dog", "--ca", str(tmp_path / "no"))
    assert status == 2 and "cannot be read: No such file" in errors


def test_keys_that_are_none_are_refused(tmp_path):
    (tmp_path / "key.pem").write_text("secret")
    found = ssl_config(tmp_path / "key.pem", tmp_path / "key.pem", check=False)
    assert found.returncode == 2 and "key.pem must be a PEM file" in found.stderr
    assert found.stdout == ""
