"""A program that behaves as ST's tool of a version does: its banner, its command line, its files, its known failures.

Nothing of it is ST's. Installed by `install`, it is a script of its own that runs `main` of this file.
"""

import argparse
import dataclasses
import hashlib
import os
import signal
import sys
import time
from pathlib import Path

from support import st_reports
from support.st_reports import BANNERS, Facts

COMPONENTS = {"2.0.0": "10.0.0", "2.2.0": "10.2.0-RC1", "3.0.0": "11.0.0", "4.0.1": "12.0.1-RC2"}
FAULTS = ("hang", "crash", "silent", "half_json", "other_program", "mute", "other_model", "no_files", "old_files", "error", "unsupported", "validation_error",
          "noise", "no_compiler", "code_only")  # fmt: skip


def install(
    folder: Path, version: str, fault: str | None = None, name: str = "stedgeai", replay: Path | None = None,
    facts: dict | None = None, sources: Path | None = None,
) -> Path:  # fmt: skip
    """Write the program into a folder and return its path.

    Parameters
    ----------
    folder : Path
    version : str
        A key of `st_reports.BANNERS`.
    fault : str, optional
        One of `FAULTS`.
    name : str
    replay : Path, optional
        A real report (and the JSON beside it): what is said, of whichever model is given.
    facts : dict, optional
        What its reports say, by the fields of `Facts`.
    sources : Path, optional
        A folder of C files that `generate` writes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(
        f"#!{sys.executable} -IS\nimport sys\nsys.path[:0] = {[str(Path(__file__).resolve().parents[n]) for n in (1, 2)]!r}\n"
        f"from support.st_tool import main\nmain({version!r}, {fault!r}, {None if replay is None else str(replay)!r}, {facts or {}!r}, "
        f"{None if sources is None else str(sources)!r})\n"
    )
    path.chmod(0o755)
    return path


def installation(root: Path, version: str, **given) -> Path:
    """Write a whole installation: program and runtime library, as ST's installer lays them out."""
    path = install(root / "Utilities" / "linux", version, **given)
    library = root / "Middlewares/ST/AI/Lib/GCC/ARMCortexM33"
    library.mkdir(parents=True)
    (root / "Middlewares/ST/AI/Inc").mkdir()
    return path


def options(version: str) -> argparse.ArgumentParser:
    """The command line of a version, strictly: a word of another version's is an error."""
    generation = 8 if version[0] in "5678" else 9 if version[0] in "91" else 10
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("command", choices=("analyze", "generate", "validate"))
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--name", default="network")
    parser.add_argument("-o", "--output", required=True)
    parser.add_argument("-w", "--workspace", required=True)
    pack = [int(part) for part in version.split(".")]
    if generation == 8:
        parser.add_argument("--allocate-inputs", action="store_true", required=version[0] == "8")
        parser.add_argument("--allocate-outputs", action="store_true", required=version[0] == "8")
    if generation == 8 and pack >= [8]:
        parser.add_argument("--series", dest="target", required=True)
    if generation > 8:
        parser.add_argument("--target", required=True)
    if generation > 8 or pack >= [7, 3]:
        parser.add_argument("-O", dest="optimization", choices=("balanced", "time", "ram"))
    if generation > 8 or pack >= [7, 2]:
        parser.add_argument("--quiet", action="store_true")
    if generation == 10:
        parser.add_argument("--c-api", choices=("legacy", "st-ai"), default="legacy" if version[0] == "2" else "st-ai")
    return parser


def main(version: str, fault: str | None, replay: str | None, said: dict, sources: str | None) -> None:
    if sys.argv[1:] == ["--version"]:
        if fault == "mute":
            return
        print("frobnicate 1.2.3" if fault == "other_program" else BANNERS[version])
        if version in COMPONENTS and fault != "other_program":
            print(f"   ISPU 1.1.0\n   MLC 1.1.0\n   STM32CubeAI {COMPONENTS[version]}")
        return
    given = options(version).parse_args()
    assert sys.stdin.read() == "", "the user would be asked here"
    assert not any("PASSWORD" in key.upper() or key == "PYAED_ST_TOKEN" for key in os.environ), "a secret was handed on"
    print(BANNERS[version], flush=True)
    model = Path(given.model)
    hashed = hashlib.md5(model.read_bytes()).hexdigest()
    facts = Facts(
        version=version, command=given.command, target=getattr(given, "target", "stm32"), c_name=given.name, model=model.stem, model_hash=hashed,
        st_ai=getattr(given, "c_api", "") == "st-ai", arguments=" ".join(sys.argv[2:]), runtime=None if fault == "no_compiler" else (31938, 1012),
        quantization=None if version[0] == "5" or model.suffix != ".tflite" else (0.053046469, 44),
    )  # fmt: skip
    facts = dataclasses.replace(facts, **said)
    _fail(fault)
    if fault == "other_model":
        facts = dataclasses.replace(facts, model_hash="0" * 32)
    _write(facts, fault, Path(given.output), Path(given.workspace), Path(replay) if replay else None)
    if sources is not None and given.command == "generate":
        for path in Path(sources).iterdir():
            (Path(given.output) / path.name).write_text(path.read_text())
    if fault == "noise":
        print(
            "E: _Einsum_1_output_0_reshape_1_to_chlast layer - number of I/O tensor is not coherent: 0/1",
            file=sys.stderr,
        )
    print(
        f"Creating txt report file {given.output}/{given.name}_{given.command}_report.txt\nelapsed time ({given.command}): 18.641s"
    )
    sys.exit(1 if fault == "code_only" else 0)


def _fail(fault: str | None) -> None:
    if fault == "hang":
        print("Neural network accepted. Continue? ", flush=True)
        time.sleep(600)
    if fault == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if fault == "silent":
        sys.exit(0)
    messages = {
        "error": "E010(InvalidModelError): Non-numerical or not-string elements in dense_60_dense's parameter weights",
        "unsupported": "NOT IMPLEMENTED: Unsupported layer types: Range, OneHot",
        "validation_error": "INTERNAL ERROR: E801(HwIOError): Invalid firmware - COM3:115200",
    }
    if fault in messages:
        print(messages[fault])
        sys.exit(7)


def _write(facts: Facts, fault: str | None, out: Path, workspace: Path, replay: Path | None) -> None:
    """The files of a run, where each version puts them."""
    files = {out / f"{facts.c_name}_{facts.command}_report.txt": st_reports.text(facts)}
    if facts.version[0] in "56789" or facts.version == "1.0.0":
        files[workspace / f"{facts.c_name}_c_graph.json"] = st_reports.c_graph(facts)
        files[workspace / f"{facts.c_name}_report.json"] = st_reports.report(facts)
    if facts.version[0] not in "5678":
        files[out / f"{facts.c_name}_c_info.json"] = st_reports.c_info(facts)
    if facts.version[0] == "5":
        files.pop(workspace / f"{facts.c_name}_c_graph.json")
    if replay is not None:
        files = _replayed(facts, replay, out)
    if fault == "half_json":
        files = {path: text[: len(text) // 2] if path.suffix == ".json" else text for path, text in files.items()}
    if fault != "no_files":
        files |= {out / name: f"/* {name} */\n" for name in facts.files}
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if fault == "old_files":
            os.utime(path, (1e9, 1e9))


def _replayed(facts: Facts, replay: Path, out: Path) -> dict[Path, str]:
    """A real report and the JSON of its run, of the given model: its name, hash and files are put in the place of the real ones."""
    from pyaed.stedgeai import read_report

    files = {out / f"{facts.c_name}_{facts.command}_report.txt": replay}
    info = replay.with_name(
        replay.name.replace("_generate_report.txt", "_c_info.json").replace("_analyze_report.txt", "_c_info.json")
    )
    if info.is_file():
        files[out / f"{facts.c_name}_c_info.json"] = info
    texts = {}
    for path, source in files.items():
        told = read_report(source)
        text = source.read_text()
        texts[path] = text.replace(told.model_name, facts.model).replace(told.model_hash, facts.model_hash)
    return texts
