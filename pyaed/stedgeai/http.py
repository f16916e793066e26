"""HTTP as the Developer Cloud needs it: budgets, retries with back-off, no redirect to another host, secrets that stay inside."""

import json
import logging
import os
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from pyaed.errors import UserError, shorten
from pyaed.text import printable

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)

TRIES = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
TIMEOUT_S = 60.0
REDIRECTS = 5
MAX_JSON = 16 << 20
MAX_FILE = 64 << 20

_AGAIN = {429, 502, 503, 504}
_MEANINGS = {
    401: "the token or password is refused or too old: copy a new token from the site's settings into PYAED_ST_TOKEN",
    403: "access is refused; has the licence been accepted on the web site?",
    404: "the service has no such address; it may be newer than pyaed",
    413: "the model is too large for the service",
    429: "the service is busy; try later",
}


class Http:
    """A connection to one service.

    Parameters
    ----------
    base : str
        Its address, https unless it is this machine.
    token : str or None
        Sent with every request; `with_token` sets it later.

    Raises
    ------
    UserError
        Without httpx, or for an address that would send secrets in the clear.
    """

    def __init__(self, base: str, token: str | None = None):
        try:
            import httpx
        except ImportError as error:
            raise UserError("ST's Developer Cloud needs httpx: pip install 'pyaed[cloud]'") from error
        parts = urlsplit(base)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if (parts.scheme != "https" and not (parts.scheme == "http" and local)) or not parts.hostname:
            raise UserError(f"{shorten(base)}: expected an address that begins with https://")
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every address, and those of a login hold codes
        self.base = base if base.endswith("/") else f"{base}/"
        self.host = parts.netloc
        self._client: httpx.Client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)
        self.with_token(token)

    def with_token(self, token: str | None) -> None:
        """Send this token from now on."""
        if token is not None and not (token.isascii() and token.isprintable()):
            raise UserError("PYAED_ST_TOKEN: a token has printable ASCII characters only")
        self._client.headers.pop("Authorization", None)
        if token is not None:
            self._client.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> "Http":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, method: str, path: str, what: str, **given: Any) -> Any:
        """Return the JSON that a request is answered with; see `fetch` for the rest."""
        content = self.fetch(method, path, what, MAX_JSON, **given)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            begin = shorten(printable(content[:80].decode(errors="replace")), 80)
            raise UserError(f"{self.host}: {what}: the answer is not whole JSON: {begin!r}") from None

    def fetch(
        self,
        method: str,
        path: str,
        what: str,
        limit: int = MAX_FILE,
        file: tuple[str, str, bytes] | None = None,
        form: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the content that a request is answered with.

        Parameters
        ----------
        method, path : str
            The path is relative to the base.
        what : str
            What is being done, for messages.
        limit : int
            Bytes of the answer.
        file : (str, str, bytes), optional
            Name of the form's field, name of the file and its content.
        form, body : mapping, optional
            Fields of a form; a JSON body.

        Raises
        ------
        UserError
            When the service can't be reached, refuses, or still fails after several tries.
        """
        import httpx

        pause, last = FIRST_PAUSE_S, ""
        for attempt in range(TRIES):
            if attempt:
                log.info("%s: %s: %s; again in %.0f s", self.host, what, last, pause)
                time.sleep(pause)
                pause = min(LONGEST_PAUSE_S, 2 * pause * random.uniform(0.8, 1.2))
            try:
                status, headers, content = self._once(method, path, limit, file, form, body)
            except httpx.ConnectError:
                last = "can't be reached"
                continue
            except httpx.TimeoutException:
                last = f"no answer within {TIMEOUT_S:g} s"
                continue
            except httpx.HTTPError as error:  # cut connections, protocol errors
                last = f"the answer broke off ({type(error).__name__})"
                continue
            if status in _AGAIN or (status == 500 and method == "GET"):
                last = f"answered {status}"
                wait = headers.get("retry-after", "")
                pause = min(LONGEST_PAUSE_S, float(wait)) if wait.isdecimal() and len(wait) < 6 else pause
                continue
            if status >= 400:
                raise UserError(f"{self.host}: {what}: {_reason(status, content)}")
            return content
        meaning = f" ({_MEANINGS[429]})" if last == "answered 429" else ""
        raise UserError(f"{self.host}: {what}: {last}{meaning}, after {TRIES} tries")

    def _once(
        self, method: str, path: str, limit: int, file: tuple[str, str, bytes] | None, form: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
    ) -> tuple[int, Mapping[str, str], bytes]:  # fmt: skip
        url = self.base + path  # urljoin would make one slash of two
        for _ in range(REDIRECTS + 1):
            files = None if file is None else {file[0]: file[1:]}
            with self._client.stream(method, url, files=files, data=form, json=body) as response:
                if response.is_redirect:
                    url = self._same_host(url, response.headers.get("location", ""))
                    continue
                content = bytearray()
                for block in response.iter_bytes(65536):
                    content += block
                    if len(content) > limit:
                        raise UserError(f"{self.host}: an answer of more than {limit} bytes, which none should have")
                return response.status_code, response.headers, bytes(content)
        raise UserError(f"{self.host}: more than {REDIRECTS} redirects")

    def _same_host(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        if urlsplit(target)[:2] != urlsplit(url)[:2]:
            raise UserError(
                f"{self.host}: redirects to {urlsplit(target).scheme}://{printable(urlsplit(target).netloc)}, which is another "
                "host: not followed, a token would go there"
            )
        return target


def _reason(status: int, content: bytes) -> str:
    """Return what an error answer means, with the service's own words where it has some."""
    text = ""
    try:
        tree = json.loads(content[:65536])
        said = tree.get("errors") or tree.get("error") or tree.get("message") if isinstance(tree, dict) else None
        text = shorten(printable(said if isinstance(said, str) else json.dumps(said)), 300) if said else ""
    except (ValueError, RecursionError):
        pass
    parts = [f"answered {status}", _MEANINGS.get(status, ""), f"it says: {text}" if text else ""]
    return "; ".join(part for part in parts if part)


def base_address() -> str:
    """Return the cloud's address: ST's, or the one in BASE_URL_DEVCLOUD, the variable that ST's own client has."""
    return os.environ.get("BASE_URL_DEVCLOUD") or "https://stedgeai-dc.st.com/"
