"""The Developer Cloud, with a server of this machine in its place: what it is asked, what its failures end in, where secrets go."""

import json
import logging
import os
import time
import traceback

import pytest
from support import images, st_cloud
from support.commands import pyaed
from support.st_cloud import PASSWORD, TOKEN, USER, Service
from support.st_reports import Facts

from pyaed.errors import UserError
from pyaed.stedgeai import cloud, http
from pyaed.stedgeai import tool as local_tool
from pyaed.stedgeai.cloud import Cloud, find_token
from pyaed.stedgeai.http import Http


@pytest.fixture
def service(monkeypatch, tmp_path):
    for name in (*local_tool.VARIABLES, *local_tool.SECRETS, "SSO_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(http, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(cloud, "POLL_S", 0.01)
    monkeypatch.setenv("PYAED_ST_TOKEN", TOKEN)
    with Service().running() as running:
        yield running


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "my net.tflite"
    path.write_bytes(b"TFL3" * 50)
    return path


def connect(service):
    return Cloud(Http(service.base))


def test_analysis(service, model):
    report = connect(service).analyze(model, "stm32u5", "balanced")
    assert (report.macs, report.version.number, report.milliseconds) == (444970, "3.0.0", None)
    assert service.asked[0] == ("POST", "/api/stm32ai//analyze")


def test_benchmark_on_a_board_and_the_model_is_deleted(service, model):
    service.facts = Facts(command="validate", cycles=44_800_000, milliseconds=280.0, device="B-U585I-IOT02A")
    report = connect(service).benchmark(model, "b-u585i-iot02a", "balanced")
    assert (report.cycles, report.milliseconds, report.device) == (44_800_000, 280.0, "B-U585I-IOT02A")
    assert ("POST", "/api/benchmark/benchmark/b-u585i-iot02a") in service.asked
    assert service.asked[-1] == ("DELETE", "/api/file/files/models/my_net.tflite")
    assert not service.models


def test_generated_c_is_unpacked(service, model, tmp_path):
    report = connect(service).generate(model, "stm32u5", "balanced", tmp_path / "c")
    assert report.macs
    assert sorted(path.relative_to(tmp_path / "c").as_posix() for path in (tmp_path / "c").rglob("*") if path.is_file()) == [
        "Inc/stai.h", "network.c", "network.h",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["../evil.c", "/etc/evil", "a/../../evil", "C:\\evil.c"])
def test_an_archive_stays_in_its_folder(service, model, tmp_path, name):
    service.zip_names = (name,)
    with pytest.raises(UserError, match="lies outside of the archive"):
        connect(service).generate(model, "stm32u5", "balanced", tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_a_board_that_is_not_there(service, model):
    with pytest.raises(
        UserError, match=r"no board STM32H747-DISCO; boards: B-U585I-IOT02A, .*did you mean 'stm32h747i-disco'"
    ):
        connect(service).benchmark(model, "STM32H747-DISCO", "balanced")
    assert not service.models


@pytest.mark.parametrize("faults", [[429, 429], [503, 502], ["cut"], [500, 500, 500, 500], ["here", "here"], ["slow"]])
def test_what_passes_is_tried_again(service, model, monkeypatch, faults):
    monkeypatch.setattr(http, "TIMEOUT_S", 0.5)
    service.faults["boards"] = list(faults)
    assert connect(service).boards() == list(st_cloud.BOARDS)
    assert [path for _, path in service.asked].count("/api/benchmark/boards") == len(faults) + 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (401, r"boards: answered 401; the token or password is refused or too old: copy a new token .*; it says: it is so"),
        (403, r"answered 403; access is refused; has the licence been accepted"),
        (404, r"answered 404; the service has no such address"),
        (400, r"answered 400; it says: it is so"),
        (429, r"answered 429 \(the service is busy; try later\), after 5 tries"),
        (500, r"answered 500, after 5 tries"),
        ("truncated", r"boards: the answer is not whole JSON: '\{\"B-U585I"),
        ("cut", r"the answer broke off \(RemoteProtocolError\), after 5 tries"),
        ("schema", r"an answer of another form than pyaed knows \(an object of another\)|no board"),
        ("slow", r"no answer within 0\.2 s, after 5 tries"),
        ("here", r"more than 5 redirects"),
        ("endless", r"an answer of more than 1048576 bytes"),
    ],
)  # fmt: skip
def test_failures(service, model, monkeypatch, fault, message):
    monkeypatch.setattr(http, "TIMEOUT_S", 0.2)
    monkeypatch.setattr(http, "MAX_JSON", 1 << 20)
    service.faults["boards"] = [fault] * 20
    with pytest.raises(UserError, match=message):
        connect(service).benchmark(model, "B-U585I-IOT02A", "balanced")


def test_a_redirect_to_another_host_is_refused_and_sees_no_token(service, model):
    with Service().running() as other:
        service.elsewhere = other.base
        service.faults["boards"] = ["elsewhere"]
        with pytest.raises(
            UserError, match=r"redirects to http://127\.0\.0\.1:\d+, which is another host: not followed"
        ):
            connect(service).boards()
        assert other.asked == []


@pytest.mark.parametrize("what", ["analyze", "b-17"])
def test_an_answer_of_another_form(service, model, what):
    service.faults[what] = ["schema"] * 9
    with pytest.raises(UserError, match=r"another form|another|not done"):
        connect(service).analyze(model, "stm32u5", "balanced") if what == "analyze" else connect(service).benchmark(
            model, "B-U585I-IOT02A", "balanced"
        )
    assert not service.models, "the model is deleted there after a failure, too"


def test_a_cut_report_is_one_message(service, model, monkeypatch):
    monkeypatch.setattr(st_cloud.st_reports, "c_info", lambda facts: '{"json_schema_version": "2.0", "graphs": []}')
    with pytest.raises(UserError, match=r"analyze: info: environment: missing"):
        connect(service).analyze(model, "stm32u5", "balanced")


def test_the_same_post_is_not_sent_twice_after_a_failure_of_the_server(service, model):
    service.faults["b-u585i-iot02a"] = [500]
    with pytest.raises(UserError, match="answered 500"):
        connect(service).benchmark(model, "B-U585I-IOT02A", "balanced")
    assert [path for _, path in service.asked].count("/api/benchmark/benchmark/b-u585i-iot02a") == 1


def test_only_encrypted_addresses(monkeypatch):
    for address in ("http://stedgeai-dc.st.com/", "ftp://x/", "stedgeai-dc.st.com"):
        with pytest.raises(UserError, match="expected an address that begins with https://"):
            Http(address)


def test_login_with_name_and_password(service, monkeypatch):
    monkeypatch.delenv("PYAED_ST_TOKEN")
    monkeypatch.setenv("SSO_URL", f"{service.base}sso")
    monkeypatch.setenv("stmai_username", USER)
    monkeypatch.setenv("stmai_password", PASSWORD)
    assert connect(service).boards() == list(st_cloud.BOARDS)
    monkeypatch.setenv("stmai_password", "wrong")
    before = len(service.asked)
    with pytest.raises(
        UserError, match=r"login refused: You have provided the wrong password\. You have 4 attempts left"
    ):
        connect(service)
    assert len(service.asked) == before + 2, "no second try: the account is locked after five"


def test_tokens(service, monkeypatch, tmp_path):
    monkeypatch.setenv(
        "PYAED_ST_TOKEN", json.dumps({"access_token": "old", "expires_at": time.time() - 5, "refresh_token": "again"})
    )
    assert connect(service).boards()
    monkeypatch.setenv("PYAED_ST_TOKEN", json.dumps({"access_token": TOKEN, "expires_at": time.time() + 500}))
    assert connect(service).boards()
    monkeypatch.delenv("PYAED_ST_TOKEN")
    assert find_token() is None
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".stmai_token").write_text(json.dumps({"access_token": TOKEN}))
    assert find_token() == TOKEN
    for text in ('{"a": 1}', "{", '{"access_token'):
        monkeypatch.setenv("PYAED_ST_TOKEN", text)
        with pytest.raises(UserError, match="PYAED_ST_TOKEN: expected a token"):
            find_token()


@pytest.mark.parametrize("fault", [401, 500, "truncated", "cut", "elsewhere", "schema"])
def test_secrets_are_nowhere(service, model, monkeypatch, caplog, capsys, fault, tmp_path):
    """Not in the log at its finest, not in the message, not in the traceback with all causes, not in a file."""
    monkeypatch.setenv("SSO_URL", f"{service.base}sso")
    service.elsewhere = "http://127.0.0.1:9/"
    service.faults["boards"] = [fault] * 20
    with caplog.at_level(logging.DEBUG):
        for tokenless in (False, True):
            if tokenless:
                monkeypatch.delenv("PYAED_ST_TOKEN")
                monkeypatch.setenv("stmai_username", USER)
                monkeypatch.setenv("stmai_password", PASSWORD)
            with pytest.raises(UserError) as error:
                connect(service).benchmark(model, "B-U585I-IOT02A", "balanced")
            told = "".join(traceback.format_exception(error.value))
            assert not any(
                secret in text for secret in (TOKEN, PASSWORD) for text in (told, caplog.text, *capsys.readouterr())
            )
            assert TOKEN not in repr(error.value.__context__)
    assert not any(TOKEN in path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())


def test_benchmark_with_on_cloud(service, tmp_path, monkeypatch):
    """The whole command: our engine's figures and the board's at ST; the token reaches no file."""
    service.facts = Facts(command="validate", cycles=44_800_000, milliseconds=280.0, device="B-U585I-IOT02A")
    features = [f"feature_extraction.{key}={getattr(images.SPEC, key)}"
                for key in ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")]  # fmt: skip
    given = [f"general.model_path={images.tiny_model()}", f"hydra.run.dir={tmp_path / 'run'}", *features, "++tools.stedgeai.on_cloud=True",
             "++tools.stedgeai.version=10.0.0", "benchmarking.board=B-U585I-IOT02A"]  # fmt: skip
    env = {**os.environ, "BASE_URL_DEVCLOUD": service.base, "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = pyaed("benchmark", *given, env=env)
    assert done.code == 0, done.err
    assert "tiny_int8.tflite is sent to 127.0.0.1" in done.err
    assert "tools.stedgeai.version: 10.0.0: the Developer Cloud has used ST Edge AI Core 3.0.0" in done.err
    rows = json.loads((tmp_path / "run" / "benchmark.json").read_text())["engines"]
    measured = [row for row in rows if row["engine"] == "ST Developer Cloud" and row["figure"] == "one inference"]
    assert {(row["value"], row["unit"]) for row in measured} == {(44_800_000, "cycles"), (280, "ms")}
    assert all("measured on B-U585I-IOT02A" in row["from"] for row in measured)
    assert not any(
        TOKEN in path.read_text(errors="replace") for path in (tmp_path / "run").rglob("*") if path.is_file()
    )
    assert TOKEN not in done.out + done.err
    service.faults["boards"] = [401]
    done = pyaed("benchmark", *given, env=env)
    assert done.code == 2
    assert "answered 401; the token or password is refused" in done.err


def test_on_cloud_without_a_login_is_a_note(service, tmp_path, monkeypatch):
    env = {key: value for key, value in os.environ.items() if key != "PYAED_ST_TOKEN"}
    path = tmp_path / "net.h5"
    path.write_bytes(b"x")
    done = pyaed("benchmark", f"general.model_path={path}", f"hydra.run.dir={tmp_path / 'run'}", "++tools.stedgeai.on_cloud=True",
                 env={**env, "PATH": "/usr/bin:/bin"})  # fmt: skip
    assert done.code == 2
    assert (
        "note: tools.stedgeai.on_cloud: True: there is no login, so ST's Developer Cloud is left out: set PYAED_ST_TOKEN"
        in done.err
    )
    assert "or, with on_cloud: True, set PYAED_ST_TOKEN" in done.err.splitlines()[-1]
