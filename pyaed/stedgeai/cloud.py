"""ST's Edge AI Developer Cloud: a model is sent there, analysed, turned into C, and run on a board that stands there."""

import io
import json
import logging
import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pyaed.errors import UserError, brief, nearest, shorten
from pyaed.files import atomic_path, read_bytes
from pyaed.progress import progress
from pyaed.stedgeai.http import MAX_FILE, Http
from pyaed.stedgeai.json_fields import Fields
from pyaed.stedgeai.login import log_in, refresh
from pyaed.stedgeai.report import Report
from pyaed.stedgeai.reports import MAX_BYTES, completed, parse_report
from pyaed.text import printable

log = logging.getLogger(__name__)

TOKEN = "PYAED_ST_TOKEN"
USER, PASSWORD = "stmai_username", "stmai_password"
#: Where ST's own client keeps its token.
TOKEN_FILE = "~/.stmai_token"
MISSING = f"set {TOKEN} to a token of the site's settings, or {USER} and {PASSWORD}"

POLL_S = 2.0
#: Seconds: an analysis takes 20, a board may be waited for.
ANALYSIS_S, BOARD_S = 300.0, 2500.0
MAX_MEMBERS = 1000
MAX_UNPACKED = 256 << 20
_MODELS = "api/file/files/models"


def find_token(http: Http | None = None) -> str | None:
    """Return the token of PYAED_ST_TOKEN, of ST's own client, or of a login with the variables that it reads; or None.

    Parameters
    ----------
    http : Http, optional
        For a login with name and password; without it only tokens are looked for, and a pair of variables counts as ''.
    """
    given = os.environ.get(TOKEN)
    if given is None and (path := Path(TOKEN_FILE).expanduser()).is_file() and path.stat().st_size < MAX_BYTES:
        given = path.read_text(encoding="utf-8", errors="replace")
    if given:
        return _access(given.strip(), http)
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)
    if not (user and password):
        return None
    return log_in(http, user, password) if http is not None else ""


def _access(text: str, http: Http | None) -> str:
    """Return the access token of what may be a whole set of tokens; one that is too old is renewed."""
    if not text.startswith("{"):
        return text
    try:
        tokens = json.loads(text)
        access, until, again = tokens["access_token"], tokens.get("expires_at"), tokens.get("refresh_token")
    except (ValueError, KeyError, RecursionError, AttributeError):
        raise UserError(f"{TOKEN}: expected a token, or the JSON with access_token that the site copies") from None
    stale = isinstance(until, (int, float)) and until < time.time()
    if stale and isinstance(again, str) and http is not None:
        return refresh(http, again)
    return str(access)


class Cloud:
    """The service, logged in.

    Parameters
    ----------
    http : Http

    Raises
    ------
    UserError
        Without a token, or when the login is refused.
    """

    def __init__(self, http: Http):
        token = find_token(http)
        if token is None:
            raise UserError(f"ST's Developer Cloud needs a login: {MISSING}")
        self.http = http
        http.with_token(token)

    def boards(self) -> list[str]:
        """Return the names of the boards that a model can be run on."""
        answer = self.http.ask("GET", "api/benchmark/boards", "boards")
        if not isinstance(answer, dict) or not all(isinstance(name, str) for name in answer):
            raise self._other("boards", answer)
        return list(answer)

    def analyze(self, model: Path, target: str, optimization: str) -> Report:
        """Return what the service says of a model for a chip family."""
        result = self._run("analyze", model, {"target": target, "optimization": optimization, "name": "network"})
        return self._report(result, "analyze")

    def generate(self, model: Path, target: str, optimization: str, folder: Path) -> Report:
        """Write the C of a model, and the library it needs, into `folder`; return the report."""
        options = {"target": target, "optimization": optimization, "name": "network"}
        options |= {"includeLibraryForSerie": target.removeprefix("stm32").upper(), "includeLibraryForIde": "gcc"}
        result = self._run("generate", model, options)
        url = result.text("url")
        name = PurePosixPath((url or "").partition("?")[0]).name
        if not re.fullmatch(r"[\w.-]{1,200}", name):
            raise UserError(f"{self.http.host}: generate: its answer names no file ({brief(url)})")
        content = self.http.fetch("GET", f"api/file/files/generated/{name}", "generated C")
        with atomic_path(folder) as place:
            _unpack(content, place, self.http.host)
        return self._report(result, "generate")

    def benchmark(self, model: Path, board: str, optimization: str) -> Report:
        """Run a model on a board of the service and return the report, with cycles and time; the model is deleted there.

        Raises
        ------
        UserError
            For a board that isn't there, with the nearest one, and whatever goes wrong on the way.
        """
        known = {name.lower(): name for name in self.boards()}
        if board.lower() not in known:
            raise UserError(
                f"{self.http.host}: no board {board}; boards: {', '.join(known.values())}{nearest(board, known)}"
            )
        name = _sent_name(model)
        self.http.ask("POST", _MODELS, "upload", file=("file", name, _content(model)))
        try:
            body = {"model": name, "optimization": optimization}
            answer = self._object(
                self.http.ask("POST", f"api/benchmark/benchmark/{board.lower()}", "benchmark", body=body), "benchmark"
            )
            number = answer.text("benchmarkId")
            if not number:
                raise self._other("benchmark", answer.value)
            path = f"api/benchmark/benchmark/{_identifier(number, self.http.host)}"
            done = self._poll(path, f"benchmark on {board}", BOARD_S, lambda it: it.text("state") == "done")
            return self._report(done.object("benchmark"), "benchmark")
        finally:
            try:
                self.http.fetch("DELETE", f"{_MODELS}/{name}", "delete the model", MAX_BYTES)
            except UserError as error:
                log.warning("the model %s may still lie at %s: %s", name, self.http.host, error)

    def _run(self, command: str, model: Path, options: dict[str, Any]) -> Fields:
        sent = _sent_name(model)
        # ST's own client joins the address with two slashes.
        answer = self._object(
            self.http.ask(
                "POST", f"api/stm32ai//{command}", command, form={"args": json.dumps({**options, "model": sent})},
                file=("model", sent, _content(model)),
            ), command,
        )  # fmt: skip
        if answer.text("status") == "ko" or not answer.has("runtimeId"):
            said = answer.value.get("error") or answer.value
            raise UserError(f"{self.http.host}: {command} of {model.name}: {shorten(printable(said), 300)}")
        path = f"api/stm32ai//run/{_identifier(answer.text('runtimeId'), self.http.host)}"
        return self._poll(path, command, ANALYSIS_S, lambda it: it.has("result")).object("result")

    def _poll(self, path: str, what: str, patience: float, ready: Callable[[Fields], bool]) -> Fields:
        """Ask until it is done."""
        found: list[Fields] = []

        def ask() -> Iterator[str]:
            end = time.monotonic() + patience
            while time.monotonic() < end:
                answer = self._object(self.http.ask("GET", path, what), what)
                state = answer.text("state") or ""
                if state == "error":
                    said = (
                        answer.text("message") or answer.value.get("error") or answer.value.get("result") or "no reason"
                    )
                    raise UserError(f"{self.http.host}: {what} failed: {shorten(printable(said), 300)}")
                if ready(answer):
                    found.append(answer)
                    return
                if not state:
                    raise self._other(what, answer.value)
                yield state
                time.sleep(POLL_S)

        for _ in progress(ask(), label=f"ST Developer Cloud: {what}", unit="questions"):
            pass
        if not found:
            raise UserError(f"{self.http.host}: {what} is not done after {patience:g} s")
        return found[0]

    def _report(self, answer: Fields, what: str) -> Report:
        """Return the typed report out of `info`, or of `graph` and `report` of older services."""
        host = self.http.host
        parts = [
            (key, answer.value[key]) for key in ("info", "graph", "report") if isinstance(answer.value.get(key), dict)
        ]
        if not parts:
            raise self._other(what, answer.value)
        named = [
            (f"{host}: {what}: {key}", parse_report(json.dumps(tree), f"{host}: {what}: {key}")) for key, tree in parts
        ]
        result = named[0][1]
        for where, other in named[1:]:
            result = completed(result, other, named[0][0], where)
        if result.macs is None and result.weights is None:
            raise self._other(what, answer.value)
        if result.errors:
            raise UserError(f"{host}: {what}: {shorten('; '.join(result.errors), 300)}")
        return result

    def _object(self, answer: Any, what: str) -> Fields:
        if not isinstance(answer, dict):
            raise self._other(what, answer)
        return Fields(answer, f"{self.http.host}: {what}")

    def _other(self, what: str, answer: Any) -> UserError:
        seen = f"an object of {', '.join(map(str, list(answer)[:8]))}" if isinstance(answer, dict) else brief(answer)
        return UserError(
            f"{self.http.host}: {what}: an answer of another form than pyaed knows ({shorten(printable(seen), 200)}); the service "
            "may be newer"
        )


def _sent_name(model: Path) -> str:
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', model.stem)[:64] or 'model'}{model.suffix}"


def _content(model: Path) -> bytes:
    return read_bytes(model, MAX_FILE, "model")


def _identifier(text: str | None, host: str) -> str:
    """Return an identifier that can't lead to another address."""
    if not text or not re.fullmatch(r"[\w-]{1,128}", text):
        raise UserError(f"{host}: an identifier that is none: {brief(text)}")
    return text


def _unpack(content: bytes, folder: Path, host: str) -> None:
    """Write the files of a zip archive into a folder, within a budget and nowhere else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED:
                raise UserError(f"{host}: generated C: more than {MAX_MEMBERS} files or {MAX_UNPACKED} bytes")
            for member in members:
                parts = PurePosixPath(member.filename).parts
                if (
                    not parts
                    or any(part in ("..", "/") or ":" in part or "\\" in part for part in parts)
                    or parts[0].startswith("/")
                ):
                    raise UserError(f"{host}: generated C: {brief(member.filename)} lies outside of the archive")
                target = folder.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as file:
                    target.write_bytes(file.read(MAX_UNPACKED))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{host}: generated C: not a whole zip archive ({error})") from error
