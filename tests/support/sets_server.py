"""A web server of our own with a small ESC-50, in place of the one that soundata knows."""

import contextlib
import hashlib
import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import soundfile

VARIABLE = "PYAED_TEST_SET"  # how `prepare` knows what is served
ARCHIVE, TOP = "ESC-50-master.zip", "ESC-50-master"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, name = self.server, self.path.lstrip("/")
        if name not in server.files:
            self.send_error(404)
            return
        data, start = server.files[name], 0
        asked = self.headers.get("Range")
        server.asked.append((name, asked))
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if server.cuts.get(name, 0) > 0:
            server.cuts[name] -= 1
            body = body[: len(body) // 2]
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def serving() -> Iterator[ThreadingHTTPServer]:
    """A server: `files` by name, `cuts` (how often a file is cut off), `asked` (name and range), `ranges` (can it go on)."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.cuts, server.asked, server.ranges = {}, {}, [], True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def url(server: ThreadingHTTPServer, name: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{name}"


def sound(seed: int) -> bytes:
    """A WAV file of noise, two seconds."""
    out = io.BytesIO()
    soundfile.write(out, np.random.default_rng(seed).uniform(-0.3, 0.3, 32000), 16000, format="WAV")
    return out.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def index(files: dict[str, bytes]) -> bytes:
    """Return soundata's list of a set's files."""
    clips = {path: {"audio": [path, md5(data)]} for path, data in files.items() if path.endswith(".wav")}
    tables = {path: [path, md5(data)] for path, data in files.items() if not path.endswith(".wav")}
    return json.dumps({"version": "1", "clips": clips, "metadata": tables}).encode()


def small_esc50(server: ThreadingHTTPServer) -> dict[str, bytes]:
    """Serve a small ESC-50; return its files."""
    files = {f"audio/{fold}-{i}-A-0.wav": sound(10 * fold + i) for fold in (1, 2, 3) for i in (0, 1)}
    rows = [f"{path[6:]},{path[6]},{'dog' if path.endswith('0-A-0.wav') else 'rain'}" for path in files]
    files["meta/esc50.csv"] = "\n".join(["filename,fold,category", *rows, ""]).encode()
    server.files[ARCHIVE] = packed({f"{TOP}/{path}": data for path, data in files.items()})
    server.files["index.json"] = index(files)
    return files


def environment(server: ThreadingHTTPServer) -> dict[str, str]:
    """Return what another process needs to `prepare` itself."""
    known = {name: [url(server, name), md5(server.files[name])] for name in (ARCHIVE, "index.json")}
    return {VARIABLE: json.dumps(known)}


def prepare() -> None:
    """Let soundata look for ESC-50 at the server that `VARIABLE` names."""
    import soundata.datasets.esc50 as esc50
    from soundata.core import Index
    from soundata.download_utils import RemoteFileMetadata

    known = json.loads(os.environ[VARIABLE])
    esc50.REMOTES = {"all": RemoteFileMetadata(ARCHIVE, *known[ARCHIVE], unpack_directories=[TOP])}
    esc50.INDEXES = {"default": "1", "1": Index("index.json", *known["index.json"])}
