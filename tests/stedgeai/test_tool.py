"""ST's tool as it is found and called, with a program in its place that behaves as each version does."""

import logging
import time
from pathlib import Path

import pytest
from support import st_tool
from support.st_reports import BANNERS

from pyaed import doctor
from pyaed.errors import UserError
from pyaed.stedgeai import local, tool
from pyaed.stedgeai.local import run_tool
from pyaed.stedgeai.tool import Tool, ask_version, find_tool, places

#: Real reports that the program replays, by version.
REPLAYED = {
    "5.0.0": "v5.0.0_analyze_report.txt",
    "8.0.0": "v8.0.0_stm32u5_yamnet_generate_report.txt",
    "8.1.0": "v8.1.0_stm32u5_har_generate_report.txt",
    "9.0.0": "v9.0.0_stm32h7_sine_generate_report.txt",
    "1.0.0": "stedgeai1.0.0_stm32_devcloud_yamnet_generate_report.txt",
    "2.0.0": "stedgeai2.0.0_stm32_yamnet_lm_st-ai_generate_report.txt",
    "2.2.0": "stedgeai2.2.0_stm32f7_mnist_generate_report.txt",
    "3.0.0": "stedgeai3.0.0_stm32u5_yamnet_e256_generate_report.txt",
}


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine without ST's tools."""
    for name in tool.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tool, "CORES", {name: (str(tmp_path / name),) for name in ("windows", "linux", "mac")})
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "my models" / "yam net-é.tflite"  # ST's tool can't take such a path
    path.parent.mkdir()
    path.write_bytes(b"TFL3" + bytes(range(200)))
    return path


def installed(tmp_path, version="3.0.0", **given) -> Tool:
    path = st_tool.install(tmp_path / "bin", version, **given)
    return Tool(path, ask_version(path), "test")


@pytest.mark.parametrize("version", BANNERS)
@pytest.mark.parametrize("command", ["analyze", "generate"])
def test_every_version(tmp_path, model, version, command):
    used = installed(tmp_path, version)
    report = run_tool(used, command, model, "stm32u5", tmp_path / "run" / "st")
    assert (report.version.number, report.command, report.macs, report.weights) == (version, command, 444970, 3016)
    assert report.model_name == "yam_net__"
    assert report.st_ai in (True, None) if version[0] in "234" and version != "9.0.0" else not report.st_ai
    written = {path.name for path in (tmp_path / "run" / "st").iterdir()}
    assert {f"network_{command}_report.txt", "console.txt"} < written
    assert ("network.c" in written) == (command == "generate")


def test_real_reports_are_replayed(tmp_path, model, shared):
    for version, name in REPLAYED.items():
        used = installed(tmp_path / version, version, replay=shared / "reference/stedgeai/samples" / name)
        report = run_tool(used, "analyze", model, "stm32u5", tmp_path / version / "st")
        assert report.version.number == version
        assert report.macs
        assert report.layers


FAILURES = {
    "hang": r"STEdgeAI|ST Edge AI Core 3.0.0 generate has not ended after 1.5 s and was stopped; it said last: Neural network accepted. Continue\?",
    "crash": r"was killed by signal 11 on yam net-é.tflite",
    "silent": r"left no report of this run",
    "half_json": r"network_c_info.json: not the JSON that ST's tool writes .* cut short\?",
    "other_model": r"its report is of another model \(yam_net__, hash 0000",
    "no_files": r"ended well, but did not write network_data.h, network_data.c, network.h, network.c, network_details.h",
    "old_files": r"left no report of this run",
    "error": r"ended with code 7 on .*: E010\(InvalidModelError\): Non-numerical or not-string elements in dense_60_dense's parameter weights$",
    "unsupported": r"ended with code 7 on .*: NOT IMPLEMENTED: Unsupported layer types: Range, OneHot$",
    "validation_error": r"INTERNAL ERROR: E801\(HwIOError\): Invalid firmware - COM3:115200$",
    "code_only": r"ended with code 1 on .*: elapsed time \(generate\): 18.641s",
}


@pytest.mark.parametrize("fault", FAILURES)
def test_failures_are_one_message_and_leave_nothing(tmp_path, model, fault):
    used = installed(tmp_path, fault=fault)
    start = time.monotonic()
    with pytest.raises(UserError, match=FAILURES[fault]):
        run_tool(used, "generate", model, "stm32u5", tmp_path / "run" / "st", patience=1.5 if fault == "hang" else 60)
    assert time.monotonic() - start < 20
    assert not (tmp_path / "run" / "st").exists()


def test_a_failure_leaves_the_result_of_before(tmp_path, model):
    run_tool(installed(tmp_path), "generate", model, "stm32u5", tmp_path / "st")
    with pytest.raises(UserError):
        run_tool(installed(tmp_path, fault="error"), "generate", model, "stm32u5", tmp_path / "st")
    assert (tmp_path / "st" / "network.c").is_file()


def test_noise_is_no_failure(tmp_path, model):
    assert run_tool(installed(tmp_path, fault="noise"), "generate", model, "stm32u5", tmp_path / "st").macs == 444970


def test_without_a_compiler_the_runtime_is_not_known(tmp_path, model):
    report = run_tool(installed(tmp_path, fault="no_compiler"), "analyze", model, "stm32u5", tmp_path / "st")
    assert (report.runtime_flash, report.total_flash) == (None, None)


def test_what_a_hanging_tool_has_started_ends_with_it(tmp_path, model):
    script = tmp_path / "stedgeai"
    child = tmp_path / "child"
    script.write_text(
        f"#!/bin/sh\n[ $1 = --version ] && echo 'ST Edge AI Core v3.0.0-1' && exit\nsleep 300 &\necho $! > {child}\nwait\n"
    )
    script.chmod(0o755)
    with pytest.raises(UserError, match="has not ended"):
        run_tool(Tool(script, ask_version(script), "test"), "analyze", model, "stm32u5", tmp_path / "st", patience=1.0)
    end = time.monotonic() + 5
    while (state := _state(int(child.read_text()))) not in (None, "Z") and time.monotonic() < end:
        time.sleep(0.05)
    assert state in (None, "Z")


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return None


def test_optimization_is_checked_before_the_call(tmp_path, model):
    with pytest.raises(
        UserError, match=r"tools.stedgeai.optimization: 'ballanced'; expected .* \(did you mean 'balanced'\?\)"
    ):
        run_tool(installed(tmp_path), "analyze", model, "stm32u5", tmp_path / "st", optimization="ballanced")


def test_secrets_are_not_handed_on(tmp_path, model, monkeypatch):
    for name in tool.SECRETS:
        monkeypatch.setenv(name, "s3cret")
    run_tool(installed(tmp_path), "analyze", model, "stm32u5", tmp_path / "st")


@pytest.mark.parametrize("fault", ["other_program", "mute"])
def test_another_program_of_that_name(tmp_path, fault, caplog, monkeypatch):
    path = st_tool.install(tmp_path / "bin", "3.0.0", fault=fault)
    with pytest.raises(
        UserError,
        match=r"tools.stedgeai.path_to_stedgeai: .*is not ST's tool: --version says '(frobnicate 1.2.3|nothing)'; install",
    ):
        find_tool([("tools.stedgeai.path_to_stedgeai", str(path))])
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin")
    with caplog.at_level(logging.INFO, "pyaed"):
        assert find_tool() is None
    assert "note: PATH:" in caplog.text


def test_order_of_places(tmp_path, monkeypatch):
    """What the configuration names, then variables, PATH, the packs, the Core's folder; newest first."""
    home = tmp_path / "home" / tool.PACKS
    st_tool.install(home / "9.1.0" / "Utilities" / "linux", "1.0.0")
    st_tool.install(home / "10.2.0" / "Utilities" / "linux", "2.2.0")
    st_tool.installation(tmp_path / "linux" / "3.0", "3.0.0")
    found = find_tool()
    assert (found.version.number, found.place) == ("2.2.0", str(home))
    assert find_tool(wanted="9.1.0").version.number == "1.0.0"
    assert find_tool(wanted="3.0.0").version.number == "3.0.0"
    st_tool.install(tmp_path / "bin", "8.1.0", name="stm32ai")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert (find_tool().version.number, find_tool().place) == ("8.1.0", "PATH")
    monkeypatch.setenv("STM32_AI_EXE", str(st_tool.install(tmp_path / "other", "2.0.0")))
    assert find_tool().place == "STM32_AI_EXE"
    monkeypatch.setenv("STEDGEAI_CORE_DIR", str(tmp_path / "linux" / "3.0"))
    assert (find_tool().place, find_tool().root) == ("STEDGEAI_CORE_DIR", tmp_path / "linux" / "3.0")
    key = ("tools.stm32ai.path_to_stm32ai", str(tmp_path / "bin" / "stm32ai"))
    assert find_tool([key]).place == key[0]


def test_a_version_that_is_not_there_is_told(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("STM32_AI_EXE", str(st_tool.install(tmp_path, "3.0.0")))
    assert find_tool(wanted="10.0.0").version.number == "3.0.0"
    assert "tools.stedgeai.version: 10.0.0 is not installed; ST Edge AI Core 3.0.0 (X-CUBE-AI 11.0.0)" in caplog.text


def test_a_path_of_an_example_file_is_told_and_passed_over(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("STM32_AI_EXE", str(st_tool.install(tmp_path, "3.0.0")))
    path = "C:/Users/<XXXXX>/STM32Cube/Repository/Packs/STMicroelectronics/X-CUBE-AI/<*.*.*>/Utilities/windows/stedgeai.exe"
    assert find_tool([("tools.stedgeai.path_to_stedgeai", path)]).place == "STM32_AI_EXE"
    assert "tools.stedgeai.path_to_stedgeai: C:/Users/<XXXXX>" in caplog.text


@pytest.mark.parametrize(
    ("platform", "folder", "name"),
    [("win32", "windows", "stedgeai.exe"), ("linux", "linux", "stedgeai"), ("darwin", "mac", "stm32ai")],
)
def test_layouts_of_systems(tmp_path, platform, folder, name):
    for root in (tmp_path / "home" / tool.PACKS / "10.0.0", tmp_path / folder / "3.0"):
        (root / "Utilities" / folder).mkdir(parents=True)
        (root / "Utilities" / folder / name).touch()
        (root / "Utilities" / "elsewhere").mkdir()
        (root / "Utilities" / "elsewhere" / name).touch()
    found = [path for place, path in places(platform=platform) if place != "PATH"]
    assert [path.parts[-5 + 2 :] for path in found] == [("Utilities", folder, name)] * 2


def test_doctor_shows_what_was_found(tmp_path, monkeypatch):
    assert "for ST's engine beside ours: install ST Edge AI Core" in doctor.examine()[0]
    monkeypatch.setenv("STM32_AI_EXE", str(st_tool.install(tmp_path, "2.0.0")))
    assert f"ST Edge AI Core 2.0.0 (X-CUBE-AI 10.0.0), {tmp_path / 'stedgeai'}" in doctor.examine()[0]


def test_a_tool_that_does_not_answer(tmp_path, monkeypatch):
    script = tmp_path / "stedgeai"
    script.write_text("#!/bin/sh\nexec sleep 100\n")
    script.chmod(0o755)
    monkeypatch.setattr(tool, "ANSWER_S", 0.5)
    with pytest.raises(UserError, match=r"does not answer --version within 0\.5 s"):
        ask_version(script)


def test_command_lines_differ_by_version():
    def words(banner, **given):
        return " ".join(local.arguments(tool.find_version(banner), "generate", "m.tflite", "stm32u5", **given)[9:])

    assert words(BANNERS["5.0.0"]) == ""
    assert words(BANNERS["7.1.0"]) == "--allocate-inputs --allocate-outputs"
    assert words(BANNERS["8.1.0"]) == "--allocate-inputs --allocate-outputs --series stm32u5 -O balanced --quiet"
    assert words(BANNERS["9.0.0"], optimization="time") == "--target stm32u5 -O time --quiet"
    assert (
        words(BANNERS["4.0.1"], api="legacy", optimization="default")
        == "--target stm32u5 -O balanced --quiet --c-api legacy"
    )
