"""ST's Developer Cloud as far as it is known, on this machine: its addresses, its answers, its failures. Nothing of it is ST's."""

import contextlib
import email.parser
import io
import json
import threading
import time
import zipfile
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from support import st_reports
from support.st_reports import Facts

TOKEN, USER, PASSWORD = "token-s3cret", "somebody@example.org", "passw0rd-s3cret"
BOARDS = {"B-U585I-IOT02A": {"boardCount": 2}, "STM32H747I-DISCO": {"boardCount": 1}}


class Service:
    """The server: what it was asked, and what it is to do wrong.

    Attributes
    ----------
    faults : dict
        Of a path's last part to a list of what happens to the next requests of it: a status, 'truncated', 'cut', 'slow', 'elsewhere', 'here',
        'schema', 'endless', 'retry'.
    asked : list of (method, path)
    models : dict
        Uploaded models by name.
    """

    def __init__(self):
        self.faults, self.asked, self.models, self.states, self.facts = (
            {},
            [],
            {},
            Counter(),
            Facts(version="3.0.0", command="validate"),
        )
        self.tokens, self.elsewhere, self.zip_names = [TOKEN], None, None
        service = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                service._handle(self)

            do_POST = do_DELETE = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}/"

    @contextlib.contextmanager
    def running(self):
        thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            self.server.server_close()

    def _handle(self, request):
        path = urlsplit(request.path).path
        length = int(request.headers.get("Content-Length") or 0)
        body = request.rfile.read(length)
        self.asked.append((request.command, path))
        fault = (
            (self.faults.get(path.rsplit("/", 1)[-1]) or self.faults.get("*") or [None]).pop(0)
            if self._faulty(path)
            else None
        )
        if fault == "slow":
            time.sleep(1.5)
            return
        if fault in ("elsewhere", "here"):
            host = self.elsewhere if fault == "elsewhere" else self.base
            request.send_response(307)
            request.send_header("Location", f"{host.rstrip('/')}{path}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if isinstance(fault, int):
            self._send(
                request,
                fault,
                json.dumps({"errors": "it is so"}).encode(),
                {"Retry-After": "0"} if fault == 429 else {},
            )
            return
        if path.startswith(("/sso", "/login-form", "/step")):
            self._sso(request, path, body)
            return
        if not path.startswith("/api/user_service") and request.headers.get("Authorization") not in [
            f"Bearer {t}" for t in self.tokens
        ]:
            self._send(request, 401, b'{"error": "unauthorized"}')
            return
        status, answer = self._answer(request.command, path, body, request.headers)
        content = (
            answer
            if isinstance(answer, bytes)
            else json.dumps({"another": 1} if fault == "schema" else answer).encode()
        )
        if fault == "truncated":
            content = content[: len(content) // 2]
        if fault == "endless":
            content = b'"' + b"x" * (1 << 22)
        if fault == "cut":  # fewer bytes than were announced
            request.send_response(200)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content[:10])
            request.close_connection = True
            return
        self._send(request, status, content)

    def _faulty(self, path):
        return bool(self.faults.get(path.rsplit("/", 1)[-1]) or self.faults.get("*"))

    @staticmethod
    def _send(request, status, content, headers=None):
        request.send_response(status)
        for key, value in (headers or {}).items():
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _answer(self, method, path, body, headers):
        if path == "/api/benchmark/boards":
            return 200, BOARDS
        if path == "/api/file/files/models" and method == "POST":
            name, content = parts(body, headers)["file"]
            self.models[name] = content
            return 200, {"upload": True}
        if path.startswith("/api/file/files/models/") and method == "DELETE":
            del self.models[path.rsplit("/", 1)[-1]]
            return 200, {"deleted": True}
        if path.startswith("/api/benchmark/benchmark/"):
            last = path.rsplit("/", 1)[-1]
            if method == "POST":
                given = json.loads(body)
                assert given["model"] in self.models, "benchmarked before it was uploaded"
                return 200, {"benchmarkId": "b-17", "model": given["model"]}
            self.states[last] += 1
            if self.states[last] < 3:
                return 200, {
                    "state": ("waiting_for_build", "in_queue", "building")[self.states[last]],
                    "benchmark": None,
                }
            return 200, {"state": "done", "benchmark": {"info": json.loads(st_reports.c_info(self.facts))}}
        if path in ("/api/stm32ai//analyze", "/api/stm32ai//generate"):
            form = parts(body, headers)
            options = json.loads(form["args"][1])
            assert form["model"][0] == options["model"]
            return 200, {"runtimeId": path.rsplit("/", 1)[-1]}
        if path.startswith("/api/stm32ai//run/"):
            self.states[path] += 1
            if self.states[path] < 2:
                return 200, {"state": "running", "result": None}
            info = json.loads(st_reports.c_info(self.facts))
            url = {"url": "https://elsewhere.example/x/out.zip"} if path.endswith("generate") else {}
            return 200, {"state": "done", "result": {"info": info, **url}}
        if path == "/api/file/files/generated/out.zip":
            return 200, self._zip()
        if path.startswith("/api/user_service/login/"):
            form = parse_qs(body.decode())
            if path.endswith("callback") and form["code"] == ["code-17"]:
                return 200, {"access_token": TOKEN, "refresh_token": "again"}
            if path.endswith("refresh") and form["refresh_token"] == ["again"]:
                return 200, {"access_token": TOKEN}
        return 404, {"error": "no such address"}

    def _zip(self):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in self.zip_names or ("network.c", "network.h", "Inc/stai.h"):
                archive.writestr(name, "/* x */")
        return buffer.getvalue()

    def _sso(self, request, path, body):
        if path == "/sso":
            self._send(
                request,
                200,
                b'<html><form method="post" action="/login-form?x=1"><input type="hidden" name="lt" value="LT-9"></form>',
            )
        elif path == "/login-form":
            form = {key: value[0] for key, value in parse_qs(body.decode()).items()}
            if (form["username"], form["password"], form["lt"]) != (USER, PASSWORD, "LT-9"):
                self._send(
                    request,
                    200,
                    b"<p>You have provided the wrong password. You have 4 attempts left before it is locked.</p>",
                )
            else:
                self._send(request, 302, b"", {"Location": "/step"})
        else:
            self._send(request, 302, b"", {"Location": f"{self.base}callback?code=code-17&state=x"})


def parts(body, headers):
    """The parts of a form with files: name -> (file name, content)."""
    text = b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body
    found = {}
    for part in email.parser.BytesParser().parsebytes(text).get_payload():
        found[part.get_param("name", header="content-disposition")] = (
            part.get_filename(),
            part.get_payload(decode=True),
        )
    return found
