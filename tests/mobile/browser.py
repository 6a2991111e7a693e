"""Runs JavaScript in a headless Chromium, beside the kit of export/web and bundles."""

import http
import http.server
import json
import pathlib
import queue
import subprocess
import tempfile
import threading
import urllib.parse
from typing import Any

PAGE = "/driver.html"
# Where the kit has the packages that a script imports.
IMPORTS = {
    "onnxruntime-web": "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs",
    "@litertjs/core": "./node_modules/@litertjs/core/dist/index.js",
    "@litertjs/wasm-utils": "./node_modules/@litertjs/wasm-utils/dist/index.js",
}
# Each script gets `job` and gives its answer with `return`.
DRIVER = """<!doctype html>
<script type="importmap">{imports}</script>
<script type="module">
const answer = (value) => fetch("/answer", {{ method: "POST", body: JSON.stringify(value) }});
addEventListener("error", (event) => answer({{ error: String(event.message) }}));
try {{
  const job = await (await fetch("/job")).json();
  answer({{ found: await (async (job) => {{ {script} }})(job) }});
}} catch (error) {{
  answer({{ error: String(error?.message ?? error) }});
}}
</script>
"""


class ScriptError(Exception):
    """What the script threw."""


def run_in_browser(
    chromium: str,
    kit: pathlib.Path,
    script: str,
    job: Any,
    folders: dict[str, pathlib.Path],
    timeout: float = 300,
) -> Any:
    """Runs a script on a page of the kit and returns what it returns.

    Args:
        chromium: The program.
        kit: A copy of export/web with its packages; the page sees it as "/".
        script: The body of an async function of `job`.
        job: What JSON can say.
        folders: Other folders that the page sees, by the first part of their paths.
        timeout: In seconds.
    Raises:
        ScriptError: If the script throws.
        queue.Empty: If it does not answer in time.
    """
    answers: queue.Queue[Any] = queue.Queue()
    page = DRIVER.format(imports=json.dumps({"imports": IMPORTS}), script=script)
    pages = {PAGE: page.encode(), "/job": json.dumps(job).encode()}
    handler = type("Handler", (_Handler,), {"pages": pages, "answers": answers})
    handler.folders = {"": kit, **folders}
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        address = f"http://127.0.0.1:{server.server_port}{PAGE}"
        silent = subprocess.DEVNULL
        # As long as it has a port for a debugger, it stays open without a window.
        command = [chromium, *options, "--remote-debugging-port=0", address]
        process = subprocess.Popen(command, stdout=silent, stderr=silent)
        try:
            answer = answers.get(timeout=timeout)
        finally:
            process.kill()
            process.wait()
            server.shutdown()
    if "error" in answer:
        raise ScriptError(answer["error"])
    return answer["found"]


class _Handler(http.server.SimpleHTTPRequestHandler):
    pages: dict[str, bytes]
    answers: "queue.Queue[Any]"
    folders: dict[str, pathlib.Path]

    def do_GET(self) -> None:
        content = self.pages.get(self.path)
        if content is None:
            super().do_GET()
            return
        self.send_response(http.HTTPStatus.OK)
        kind = "text/html; charset=utf-8" if self.path == PAGE else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answers.put(json.loads(body))
        self.send_response(http.HTTPStatus.NO_CONTENT)
        self.end_headers()

    def translate_path(self, path: str) -> str:
        parts = urllib.parse.unquote(urllib.parse.urlsplit(path).path).strip("/").split("/")
        known = parts[0] in self.folders
        folder = self.folders[parts[0] if known else ""]
        return str(folder.joinpath(*parts[known:]))

    def log_message(self, *arguments: object) -> None:
        pass
