"""`benchmark` with a program in the place of ST's tool: both engines in one table, and what happens without it."""

import json

import onnx
import pytest
from support import images, st_tool
from support.commands import pyaed
from support.onnx_builder import Builder

from pyaed import config, operations
from pyaed.boards import find_st_board
from pyaed.errors import UserError
from pyaed.measure import engines
from pyaed.operations import st_tools
from pyaed.operations.benchmark import benchmark_trained
from pyaed.stedgeai import tool

FEATURES = [f"feature_extraction.{key}={getattr(images.SPEC, key)}"
            for key in ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")]  # fmt: skip


@pytest.fixture(autouse=True)
def bare(monkeypatch, tmp_path):
    """A machine without ST's tools."""
    for name in (*tool.VARIABLES, *tool.SECRETS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tool, "CORES", dict.fromkeys(tool.CORES, ()))


@pytest.fixture(scope="module")
def float_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("float") / "net.keras"
    images.float_model().save(path)
    return path


def start(tmp_path, model, *overrides):
    given = [
        "operation_mode=benchmarking",
        f"general.model_path={model}",
        f"hydra.run.dir={tmp_path / 'run'}",
        *FEATURES,
        *overrides,
    ]
    return operations.start(config.load(None, given), given)


def test_both_engines_in_one_table(tmp_path):
    path = st_tool.install(tmp_path / "bin", "3.0.0")
    done = pyaed("benchmark", f"general.model_path={images.tiny_model()}", f"hydra.run.dir={tmp_path / 'run'}", *FEATURES,
                 f"++tools.stedgeai.path_to_stedgeai={path}", "benchmarking.board=STM32H747I-DISCO", "mlflow.uri=")  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads((tmp_path / "run" / "benchmark.json").read_text())
    rows = {(row["figure"], row["engine"], row["unit"]): row for row in found["engines"]}
    program = images.program()
    assert rows["flash: weights", "pyaed", "bytes"]["value"] == program.weights_bytes
    assert rows["RAM: activations", "pyaed", "bytes"]["value"] == program.arena_size
    counted = rows["one inference", "pyaed", "instructions"]
    assert counted["value"] == next(row["instructions"] for row in found["rows"] if row["stage"] == "inference")
    assert (
        "counted on the emulated Cortex-m33; a Cortex-M7 has the same kernels, and was not counted" in counted["from"]
    )
    assert rows["flash: weights", "ST Edge AI", "bytes"]["value"] == 3016
    assert rows["flash: engine", "ST Edge AI", "bytes"]["value"] == 31938
    assert (
        rows["RAM: activations", "ST Edge AI", "bytes"]["from"]
        == "reported by ST Edge AI Core 3.0.0 (X-CUBE-AI 11.0.0) for stm32h7"
    )
    assert ("one inference", "pyaed", "ms") not in rows, "the estimate is for the STM32U585 alone"
    assert all(row["from"] for row in found["engines"])
    assert found["target"]["name"] == "STM32H747I-DISCO"
    assert found["st_reports"][0]["layers"][0]["name"] == "conv2d_1"
    assert "ST Edge AI" in done.out
    assert "on STM32H747I-DISCO (Cortex-M7, 400 MHz), engine by engine:" in done.out
    page = (tmp_path / "run" / "report.html").read_text()
    assert "31,938" in page
    assert "reported by ST Edge AI Core 3.0.0" in page
    assert (tmp_path / "run" / "stedgeai" / "tiny_int8" / "network_c_info.json").is_file()


def test_a_float_model_needs_st(tmp_path, float_model):
    done = pyaed("benchmark", f"general.model_path={float_model}", f"hydra.run.dir={tmp_path / 'run'}", *FEATURES,
                 env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})  # fmt: skip
    assert done.code == 2
    (line,) = (line for line in done.err.splitlines() if "net.keras" in line)
    assert "is a float model, which only ST's engine runs on a chip" in line
    assert "install ST Edge AI Core" in line
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".hydra", "pyaed.log"}


def test_a_float_model_with_it(tmp_path, float_model):
    path = st_tool.install(tmp_path / "bin", "2.2.0")
    run = start(tmp_path, float_model, f"++tools.stedgeai.path_to_stedgeai={path}", "benchmarking.board=B-U585I-IOT02A")
    operations.run_mode(run)
    found = json.loads((run.folder / "benchmark_float.json").read_text())
    assert {row["engine"] for row in found["engines"]} == {"ST Edge AI"}
    assert found["st_reports"][0]["inputs"][0]["dtype"] == "float32"
    assert (run.folder / "report.html").is_file()
    assert not (run.folder / "benchmark.json").exists()


def test_a_float_onnx_model(tmp_path):
    b = Builder()
    model = tmp_path / "net.onnx"
    onnx.save(b.model(b.op("Relu", b.input((1, 1, images.SPEC.n_mels, images.SPEC.patch_length)))), model)
    run = start(tmp_path, model, f"++tools.stedgeai.path_to_stedgeai={st_tool.install(tmp_path / 'bin', '4.0.1')}")
    operations.run_mode(run)
    found = json.loads((run.folder / "benchmark_float.json").read_text())
    assert found["model"] == "net.onnx"
    assert found["st_reports"][0]["model_name"] == "net"


def test_the_chain_benchmarks_the_trained_model_where_it_can(tmp_path, float_model, caplog):
    names = [step.__name__ for step in operations.OPERATIONS["chain_tbqeb"]]
    assert names.index("train") < names.index("benchmark_trained") < names.index("quantize") < names.index("benchmark")
    run = start(tmp_path, float_model)
    with caplog.at_level("INFO", "pyaed"):
        benchmark_trained(run)
    assert "note: the float model is not benchmarked" in caplog.text
    assert not run.figures
    run = start(
        tmp_path,
        float_model,
        f"++tools.stm32ai.path_to_stm32ai={st_tool.install(tmp_path / 'bin', '8.1.0', name='stm32ai')}",
    )
    benchmark_trained(run)
    assert (run.folder / "benchmark_float.json").is_file()


def test_a_tool_that_fails_ends_the_benchmark_before_anything_is_built(tmp_path):
    path = st_tool.install(tmp_path / "bin", "3.0.0", fault="unsupported")
    run = start(tmp_path, images.tiny_model(), f"++tools.stedgeai.path_to_stedgeai={path}")
    with pytest.raises(UserError, match="NOT IMPLEMENTED: Unsupported layer types: Range, OneHot"):
        operations.run_mode(run)
    assert {path.name for path in run.folder.iterdir()} == {".hydra", "pyaed.log"}


def test_a_tool_that_nobody_asked_for_may_fail(tmp_path, monkeypatch, caplog):
    st_tool.install(tmp_path / "bin", "3.0.0", fault="error")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    run = start(tmp_path, images.tiny_model())
    assert st_tools.reports(run, images.tiny_model(), find_st_board("B-U585I-IOT02A")) == []
    assert "E010(InvalidModelError)" in caplog.text
    assert "its figures are left out" in caplog.text


def test_what_does_not_fit_is_said():
    figures = [engines.Figure("ST Edge AI", engines.ACTIVATIONS, 120_000, "bytes", "x"),
               engines.Figure("ST Edge AI", engines.RUNTIME_RAM, 12_000, "bytes", "x"),
               engines.Figure("pyaed", engines.ACTIVATIONS, 131_072, "bytes", "x")]  # fmt: skip
    assert engines.against_limits(figures, "NUCLEO-G474RE", 512 << 10, 128 << 10) == [
        "ST Edge AI: 132,000 bytes of RAM for the model alone, NUCLEO-G474RE has 131,072"
    ]


def test_optimization_is_the_configurations(tmp_path, float_model):
    path = st_tool.install(tmp_path / "bin", "3.0.0")
    run = start(
        tmp_path, float_model, f"++tools.stedgeai.path_to_stedgeai={path}", "++tools.stedgeai.optimization=time"
    )
    operations.run_mode(run)
    (report,) = json.loads((run.folder / "benchmark_float.json").read_text())["st_reports"]
    assert (report["optimization"], report["target"], report["command"]) == ("time", "stm32u5", "analyze")
