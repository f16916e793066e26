"""Login with name and password at ST's single sign-on, as a browser would; a token of the site's settings is the surer way."""

import os
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from pyaed.errors import UserError, shorten
from pyaed.stedgeai.http import REDIRECTS, TIMEOUT_S, Http

if TYPE_CHECKING:
    import httpx

_SSO = "https://sso.st.com/as/authorization.oauth2"
_CLIENT = "oidc_prod_client_app_stm32ai"
_REFUSED = re.compile(r"You have provided the wrong password[^<]{0,80}|You have exceeded \d+ login attempts[^<]{0,80}")
_USER_SERVICE = "api/user_service/login"
MAX_PAGE = 1 << 20


def refresh(http: Http, token: str) -> str:
    """Return a new access token for a refresh token."""
    return _access(http, http.ask("POST", f"{_USER_SERVICE}/refresh", "login", form={"refresh_token": token}))


def log_in(http: Http, user: str, password: str) -> str:
    """Return an access token for a name and a password.

    Raises
    ------
    UserError
        When they are refused: there is no second try, as the account is locked after five.
    """
    import httpx

    sso = os.environ.get("SSO_URL") or _SSO
    if urlsplit(sso).scheme != "https" and urlsplit(sso).hostname not in ("localhost", "127.0.0.1"):
        raise UserError(f"SSO_URL: {shorten(sso)}: expected an address that begins with https://")
    back = f"{http.base}callback"
    query = {
        "response_type": "code",
        "client_id": _CLIENT,
        "scope": "openid",
        "redirect_uri": back,
        "response_mode": "query",
    }
    try:
        with httpx.Client(timeout=TIMEOUT_S, headers={"User-Agent": "Mozilla/5.0 (pyaed)"}) as browser:
            where, page = _page(browser, f"{sso}?{urlencode(query)}", sso)
            form = _Form(page)
            if form.action is None or form.lt is None:
                raise UserError(
                    f"{urlsplit(sso).netloc}: login: its page has another form than pyaed knows; use a token (PYAED_ST_TOKEN)"
                )
            given = {"username": user, "password": password, "_eventId": "Login", "lt": form.lt}
            answer = browser.post(_allowed(urljoin(where, form.action), sso), data=given)
            if answer.status_code == 200:
                said = _REFUSED.search(answer.text[:MAX_PAGE])
                raise UserError(f"{urlsplit(sso).netloc}: login refused{f': {said[0].strip()}' if said else ''}")
            code = _code(browser, answer, back, sso)
    except httpx.HTTPError as error:
        raise UserError(f"{urlsplit(sso).netloc}: login: {type(error).__name__}") from None
    return _access(
        http, http.ask("POST", f"{_USER_SERVICE}/callback", "login", form={"redirect_url": back, "code": code})
    )


def _page(browser: "httpx.Client", url: str, sso: str) -> tuple[str, str]:
    for _ in range(REDIRECTS):
        answer = browser.get(url)
        if not answer.is_redirect:
            return url, answer.text[:MAX_PAGE]
        url = _allowed(urljoin(url, answer.headers.get("location", "")), sso)
    raise UserError(f"{urlsplit(sso).netloc}: login: more than {REDIRECTS} redirects")


def _code(browser: "httpx.Client", answer: "httpx.Response", back: str, sso: str) -> str:
    """Follow the redirects up to our own address, which is not called: the code in it is what is wanted."""
    url = str(answer.url)
    for _ in range(REDIRECTS):
        url = urljoin(url, answer.headers.get("location", ""))
        if url.startswith(back):
            code = parse_qs(urlsplit(url).query).get("code")
            if code:
                return str(code[0])
        if not answer.is_redirect:
            break
        answer = browser.get(_allowed(url, sso))
    raise UserError(f"{urlsplit(sso).netloc}: login: it did not lead back to {urlsplit(back).netloc}")


def _allowed(url: str, sso: str) -> str:
    if urlsplit(url)[:2] != urlsplit(sso)[:2]:
        raise UserError(
            f"{urlsplit(sso).netloc}: login: leads to another host ({shorten(urlsplit(url).netloc)}), not followed"
        )
    return url


def _access(http: Http, answer: Any) -> str:
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise UserError(f"{http.host}: login: its answer has no access_token")
    return token


class _Form(HTMLParser):
    """Address and hidden field of the first form of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.action: str | None = None
        self.lt: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = known.get("action")
        if tag == "input" and known.get("name") == "lt" and self.lt is None:
            self.lt = known.get("value")
