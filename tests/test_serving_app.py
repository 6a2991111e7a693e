"""Requests over HTTP to a server in this process, over ONNX files of the first release."""

import http.client
import json
import re
import threading
import time
import urllib.parse
from html.parser import HTMLParser

import pytest
from command_line import released_bundle
from conftest import word_pairs, word_tokenizers

pytest.importorskip("fastapi", reason="needs the extra serve")
from http_server import SOON, served
from test_serving_translation_queue import Held

from keras_seq2seq import BeamSearch, TranslationQueue, Translator, load
from keras_seq2seq.serving.service import Limits, ServedModel, TranslationService

MODEL = ServedModel(languages=("en", "fr"), beam=BeamSearch(3))
TEXTS = [source for source, _ in word_pairs(12, seed=8)]
PREDICT = "/v1/models/translator:predict"


@pytest.fixture(scope="module")
def translator():
    return load(released_bundle(), "onnx")


@pytest.fixture(scope="module")
def client(translator):
    limits = Limits(max_characters=200, max_texts=20, max_body_bytes=5000, max_beam_size=4)
    with TranslationQueue(translator) as queue:
        service = TranslationService(queue, MODEL, limits=limits)
        with served(service, allow_origins=["https://example.org"]) as found:
            yield found


def libre(text, **fields):
    return {"q": text, "source": "en", "target": "fr", **fields}


def test_translate_says_what_the_translator_says(client, translator):
    wanted = translator.translate(TEXTS)
    assert client.post("/translate", libre(TEXTS)) == (200, {"translatedText": wanted})
    assert client.post("/translate", libre(TEXTS[0])) == (200, {"translatedText": wanted[0]})
    form = urllib.parse.urlencode(libre(TEXTS[1])).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert client.post("/translate", form, headers=kind) == (200, {"translatedText": wanted[1]})
    assert client.post(f"/translate?{form.decode()}", b"")[1] == {"translatedText": wanted[1]}


def test_lines_are_translated_one_by_one_and_keep_their_layout(client, translator):
    one, two = translator.translate(TEXTS[:2])
    found = client.post("/translate", libre(f"  {TEXTS[0]}\n\n-\n{TEXTS[1]} \n"))
    assert found == (200, {"translatedText": f"  {one}\n\n-\n{two} \n"})
    assert client.post("/translate", libre(" \n")) == (200, {"translatedText": " \n"})


def test_alternatives_are_those_of_a_beam(client, translator):
    beam = translator.with_strategy(BeamSearch(3, 3))
    best, *others = [one.text for one in beam.n_best([TEXTS[0]])[0]]
    found = client.post("/translate", libre(TEXTS[0], alternatives=2))
    assert found == (200, {"translatedText": best, "alternatives": others})
    found = client.post("/translate", libre(TEXTS[:2], alternatives="1", format="text"))[1]
    assert found["alternatives"][0] == others[:1] and len(found["alternatives"]) == 2


def test_html_keeps_its_tags(client, translator):
    found = client.post("/translate", libre("<p id=a>the <b>dog</b>&amp;</p><br>", format="html"))
    assert re.fullmatch("<p id=a>.*<b>.*</b>.*</p><br>", found[1]["translatedText"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"q": ""}, "Invalid request: missing q parameter"),
        ({"source": None}, "Invalid request: missing source parameter"),
        ({"target": "en"}, "en is not supported: `target` must be 'fr'"),
        ({"source": "auto"}, "auto is not supported: .*; this server detects no languages"),
        ({"format": "pdf"}, "pdf format is not supported"),
        ({"format": ["html"]}, "format is not supported"),
        ({"alternatives": 4}, "alternatives must be 0 to 3. Received: 4"),
        ({"alternatives": "many"}, "alternatives must be 0 to 3. Received: many"),
        ({"alternatives": 1e400}, "alternatives must be 0 to 3. Received: inf"),
        ({"q": ["a", 3]}, "q must be a text or a list of texts"),
        ({"q": {"a": "b"}}, "q must be a text or a list of texts"),
        ({"q": "dog " * 60}, "A text must have at most 200 characters. Received: 240; split"),
        ({"q": ["dog"] * 21}, "at most 20 texts or sentences. Received: 21; send them in several"),
    ],
)
def test_what_translate_refuses(client, fields, message):
    body = json.dumps(libre("the dog", **{"q": "the dog", **fields})).encode()
    kind = {"Content-Type": "application/json"}
    status, found = client.post("/translate", body, headers=kind)
    assert status == 400 and re.search(message, found["error"])


@pytest.mark.parametrize(
    ("body", "kind", "status", "message"),
    [
        (b"[]", "application/json", 400, "Invalid JSON format"),
        (b"{", "application/json", 400, "Invalid JSON format"),
        (b"[" * 4000, "application/json", 400, "Invalid JSON format"),
        (b"\xff", "application/json", 400, "Invalid JSON format"),
        (b"--x", "multipart/form-data; boundary=x", 400, "Send JSON, or a form as"),
        (b"x" * 5001, "application/json", 413, "A request must have at most 5000 bytes."),
    ],
)
def test_bodies_that_are_no_requests(client, body, kind, status, message):
    found = client.post("/translate", body, headers={"Content-Type": kind})
    assert found[0] == status and message in found[1]["error"]


def test_a_lone_surrogate_comes_back_as_json(client):
    body = json.dumps(libre("the dog \ud800", target="\ud800")).encode()
    status, found = client.post("/translate", body)
    assert status == 400 and found["error"].startswith("\ud800 is not supported")
    assert client.post("/translate", libre("the dog \ud800"))[0] == 200


def test_what_a_server_says_of_itself(client):
    english = {"code": "en", "name": "English"}
    french = {"code": "fr", "name": "French"}
    assert client.get("/languages") == (
        200,
        [{**english, "targets": ["fr"]}, {**french, "targets": []}],
    )
    assert client.get("/health") == (200, {"status": "ok"})
    settings = client.get("/frontend/settings")[1]
    assert settings["language"] == {"source": english, "target": french}
    assert settings["charLimit"] == 200 and settings["keyRequired"] is False
    assert "/translate" in client.get("/openapi.json")[1]["paths"]


def test_what_there_is_not(client):
    assert client.post("/detect", {"q": "the dog"})[0] == 501
    told = "This server detects no languages: it translates from 'en' to 'fr' only."
    assert client.post("/detect", {"q": "the dog"})[1] == {"error": told}
    assert client.get("/none") == (404, {"error": "Not Found: GET /none"})
    assert client.get("/translate") == (405, {"error": "Method Not Allowed: GET /translate"})


def test_other_origins_are_let_in_by_option_alone(client):
    for origin, wanted in (("https://example.org", "https://example.org"), ("https://x", None)):
        headers = client.ask("GET", "/health", headers={"Origin": origin})[1]
        assert headers["Access-Control-Allow-Origin"] == wanted


def test_keys(translator):
    with (
        TranslationQueue(translator) as queue,
        served(TranslationService(queue, MODEL, api_keys=["one", "zwei ü"])) as client,
    ):
        body = {"instances": ["the dog"]}
        assert client.post("/translate", libre("the dog"))[0] == 401
        status, headers, found = client.ask("POST", PREDICT, body)
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "This server needs an API key" in found["error"]
        wrong = client.post("/translate", libre("the dog", api_key="on"))
        assert wrong == (403, {"error": "Invalid API key"})
        assert client.post("/translate", libre("the dog", api_key="zwei ü"))[0] == 200
        for header in ({"Authorization": "Bearer one"}, {"X-API-Key": "one"}):
            assert client.post(PREDICT, body, headers=header)[0] == 200
            assert client.post("/translate", libre("the dog"), headers=header)[0] == 200
        assert client.get("/v1/models/translator")[0] == client.get("/health")[0] == 200
        assert client.get("/frontend/settings")[1]["keyRequired"] is True


def values(client):
    """Returns the values of all metrics by their names with labels."""
    lines = client.get("/metrics")[1].decode().splitlines()
    return {k: float(v) for k, v in (x.rsplit(" ", 1) for x in lines if not x.startswith("#"))}


def test_metrics_count_requests_and_texts(translator):
    with (
        TranslationQueue(translator, max_queue_size=30) as queue,
        served(TranslationService(queue, MODEL)) as client,
    ):
        client.post("/translate", libre(TEXTS))
        client.post("/translate", libre(""))
        client.post("/v1/models/none:predict", {"instances": ["a"]})
        found = values(client)
    requests = "keras_seq2seq_requests_total{endpoint="
    assert found[f'{requests}"translate",status="200"}}'] == 1
    assert found[f'{requests}"translate",status="400"}}'] == 1
    assert found[f'{requests}"predict",status="404"}}'] == 1
    assert found['keras_seq2seq_texts_total{outcome="translated"}'] == len(TEXTS)
    assert found["keras_seq2seq_queue_limit"] == 30 and found["keras_seq2seq_queue_size"] == 0
    assert found['keras_seq2seq_request_seconds_count{endpoint="translate"}'] == 2
    assert 1 <= found["keras_seq2seq_batches_total"] <= len(TEXTS)
    assert found["keras_seq2seq_requests_in_flight"] == 1  # this one


@pytest.fixture
def held():
    joint = word_tokenizers(joint=True)
    translator = Translator(Held(joint), joint, max_length=20, search="host")
    with TranslationQueue(translator, max_queue_size=2, max_batch_size=1, max_wait_ms=0) as queue:
        yield queue
        translator.runtime.may.set()


def until(condition):
    for _ in range(SOON * 100):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def test_a_full_queue_is_told_and_what_was_accepted_is_answered(held):
    runtime, answers = held.translators[0].runtime, []
    with served(TranslationService(held)) as client:

        def ask(text):
            answers.append(client.post(PREDICT, {"inputs": [text]}))

        threads = [threading.Thread(target=ask, args=(text,)) for text in ("dog", "cat", "a dog")]
        for thread in threads:
            before = held.counts.accepted
            thread.start()
            until(lambda before=before: held.counts.accepted > before)
        until(lambda: len(held) == 2)
        status, headers, found = client.ask("POST", PREDICT, {"inputs": ["the dog"]})
        assert (status, headers["Retry-After"]) == (503, "1")
        assert found == {"error": "The server is busy: 2 texts wait. Try again later."}
        runtime.may.set()
        for thread in threads:
            thread.join(SOON)
    said = sorted(found["outputs"]["translation"][0] for _, found in answers)
    assert said == ["a dog", "cat", "dog"]


def test_nothing_is_translated_for_a_client_that_has_gone(held):
    with served(TranslationService(held)) as client:
        connections = []
        for text in ("dog", "cat"):
            connections.append(http.client.HTTPConnection("127.0.0.1", client.port))
            connections[-1].request("POST", PREDICT, json.dumps({"inputs": [text]}))
        until(lambda: len(held) == 1)
        for connection in connections:
            connection.close()
        until(lambda: len(held) == 0)
        held.translators[0].runtime.may.set()
        until(lambda: held.counts.translated == 1)
        assert held.counts.cancelled == 1
        assert client.post(PREDICT, {"inputs": ["the dog"]})[0] == 200


def test_a_request_that_takes_too_long_is_given_up(held):
    with served(TranslationService(held, limits=Limits(seconds=0.1))) as client:
        found = client.post(PREDICT, {"inputs": ["the dog"]})
        assert found[0] == 504 and "Not translated within 0.1 seconds" in found[1]["error"]


def test_a_queue_that_is_closed_is_told(held):
    answers = []
    with served(TranslationService(held)) as client:

        def ask():
            answers.append(client.post(PREDICT, {"inputs": ["the dog", "cat"]}))

        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: held.counts.accepted == 2)
        closing = threading.Thread(target=held.close, kwargs={"cancel": True})
        closing.start()
        thread.join(SOON)
        answers.append(client.post(PREDICT, {"inputs": ["dog"]}))
        held.translators[0].runtime.may.set()
        closing.join(SOON)
    assert answers == [(503, {"error": "The server is stopping. Try again elsewhere."})] * 2


def test_a_failure_of_the_model_is_not_the_clients(held, caplog):
    held.translators[0].runtime.may.set()
    with served(TranslationService(held)) as client:
        found = client.post(PREDICT, {"inputs": ["bird"]})
        assert found == (
            500,
            {"error": "The model failed on this text; the server's log says why."},
        )
        assert client.post(PREDICT, {"inputs": ["dog"]})[0] == 200
    assert "no birds" in caplog.text


class Page(HTMLParser):
    """Collects the elements of a page with their attributes."""

    def __init__(self, content):
        super().__init__()
        self.elements = []
        self.feed(content)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def of(self, *tags):
        return [attributes for tag, attributes in self.elements if tag in tags]


def test_the_page_loads_nothing_from_elsewhere_and_labels_its_controls(client):
    status, headers, content = client.ask("GET", "/")
    page = Page(content.decode())
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert page.of("html") == [{"lang": "en"}]
    assert not page.of("link", "img", "iframe") and all("src" not in x for x in page.of("script"))
    labelled = {label["for"] for label in page.of("label")}
    assert {control["id"] for control in page.of("input", "textarea")} == labelled
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [x.get("aria-labelledby") or x.get("aria-describedby") for _, x in page.elements]
    assert {name for name in named if name} <= set(ids)
    # What the script looks for is there, and what it asks for is answered.
    script = content.decode().partition("<script>")[2]
    assert set(re.findall(r'at\("([\w-]+)"\)', script)) <= set(ids)
    for path in re.findall(r'asked\("([\w/]+)"', script):
        assert client.ask("GET", f"/{path}")[0] in (200, 405)
