"""Reports of ST's tool: every version's text and JSON says the same, and damage is one message."""

import dataclasses
import json
import os
import time

import fuzz_reports
import pytest
from support import st_reports
from support.st_reports import BANNERS, Facts

from pyaed.errors import UserError
from pyaed.stedgeai import find_version, read_report, read_run
from pyaed.stedgeai.reports import parse_report

#: What text and JSON both say, and, as far as they say it, in the same words.
BOTH = ("macs", "weights", "activations", "io", "runtime_flash", "runtime_ram", "total_flash", "total_ram", "arrays", "model_name",
        "model_hash", "c_name", "st_ai", "files", "layers", "errors")  # fmt: skip
ONLY_OF_JSON = ("v5.0.0_report.json", "stedgeai1.0.0_stm32l4_sww")  # of other runs than the texts beside them


@pytest.fixture(scope="module")
def samples(shared):
    return shared / "reference/stedgeai/samples"


def number(version):
    return f"{version.number}-{version.build}" + (f" {version.commit}" if version.commit else "")


def test_every_sample_says_what_is_expected(samples):
    expected = json.loads((samples / "EXPECTED.json").read_text())
    assert len(expected) > 30
    for name, values in expected.items():
        report = read_report(samples / name)
        kind = values.get("kind", "text")
        assert report.source.split()[0] == kind, name
        found = {
            "activations": report.activations, "macc": report.macs, "weights": report.weights, "target": report.target,
            "rt_flash": report.runtime_flash, "rt_ram": report.runtime_ram, "total_flash": report.total_flash,
            "total_ram": report.total_ram, "ram_total": report.model_ram, "command": report.command, "exec_cmd": report.command,
            "kernel_flash": report.runtime_flash, "kernel_ram": report.runtime_ram, "toolchain_flash": report.toolchain_flash,
            "toolchain_ram": report.toolchain_ram, "c_name": report.c_name, "rom_size": report.weights, "ram_size": report.activations,
            "error_str": list(report.errors), "n_nodes": len(report.layers or ()), "n_buffers": report.arrays,
            "io": list(report.io or ()), "ram_io_size": list(report.io or ()),
        }  # fmt: skip
        if kind == "text":
            version = report.version
            found |= {
                "tool": version.product,
                "version": version.number,
                "build": version.build,
                "commit": version.commit,
            }
        elif kind == "c_info":
            found |= {"schema": report.source.split()[1], "tools": [["ST.EdgeAI.Core", number(report.version)]]}
            if values["series"] == "generic":
                assert (report.runtime_flash, report.total_flash) == (None, None), name
            else:
                found["series"] = report.target
        elif kind == "c_graph":
            found["version"] = report.source.split()[1]
        else:
            found |= {"report_version": float(report.source.split()[1]), "error": -1 if report.errors else 0}
            if "8.1.0" in name:  # it counts what lies within the activations, too
                values = {**values, "ram_io_size": [0, 0]}
            values = {
                **values,
                "ram_size": values["ram_size"] if isinstance(values["ram_size"], int) else values["ram_size"][0],
            }
        wrong = {key: (found.get(key, "not read"), value) for key, value in values.items()
                 if key not in ("kind", "cli", "series") and found.get(key, "not read") != value}  # fmt: skip
        assert not wrong, name


def test_text_and_json_of_a_run_agree(samples):
    pairs = 0
    for path in sorted(samples.glob("*.json")):
        text = next(
            iter(samples.glob(f"{path.name.rsplit('_c_', 1)[0].removesuffix('_report.json')}*_report.txt")), None
        )
        if text is None or path.name == "EXPECTED.json" or path.name.startswith(ONLY_OF_JSON):
            continue
        ours, theirs = read_report(path), read_report(text)
        agree(ours, theirs, tolerance=4)  # ST's total is 4 bytes above the sum of its parts in one sample
        assert ours.version.number == theirs.version.number
        assert ours.version.pack == theirs.version.pack
        pairs += 1
    assert pairs >= 8


def agree(ours, theirs, tolerance=0):
    assert len(ours.inputs) == len(theirs.inputs)
    assert len(ours.outputs) == len(theirs.outputs)
    for mine, other in zip((*ours.inputs, *ours.outputs), (*theirs.inputs, *theirs.outputs)):
        assert (mine.name, mine.dtype, mine.zero_point or None) == (
            other.name,
            other.dtype,
            other.zero_point if mine.zero_point else None,
        )
        assert mine.shape in (None, other.shape)
        assert mine.scale is None or abs(mine.scale - other.scale) < 1e-8
    for name in BOTH:
        mine, other = getattr(ours, name), getattr(theirs, name)
        if mine in (None, ()) or other in (None, ()):
            continue
        if name.startswith("total_"):
            assert abs(mine - other) <= tolerance, name
        else:
            assert mine == other, name


def facts_of(version, **given):
    return Facts(
        version=version, st_ai=version[0] in "34", **({"quantization": None} if version[0] == "5" else {}), **given
    )


@pytest.mark.parametrize("version", BANNERS)
@pytest.mark.parametrize("runtime", [None, (31938, 1012)])
def test_made_reports(version, runtime):
    facts = facts_of(version, runtime=None if version[0] == "5" else runtime)
    text = parse_report(st_reports.text(facts), "x.txt")
    assert (text.macs, text.weights, text.activations, text.io) == (444970, 3016, 112196, (0, 0))
    assert [(layer.name, layer.kind, layer.macs, layer.weights) for layer in text.layers] == [
        ("conv2d_1", "conv2d", 442400, 416), ("gemm_2", "dense", 2570, 2600)
    ]  # fmt: skip
    assert (text.runtime_flash, text.runtime_ram) == (facts.runtime or (None, None))
    assert text.total_flash == (facts.runtime[0] + 3016 if facts.runtime else None)
    assert text.model_hash == facts.model_hash
    assert text.version == find_version(BANNERS[version])
    jsons = [st_reports.c_graph, st_reports.report] if facts.old else [st_reports.c_info]
    jsons = jsons[version[0] == "5" :]
    for write in jsons:
        agree(parse_report(write(facts), "x.json"), text)


def test_unknown_is_none_and_never_zero():
    report = parse_report(st_reports.c_info(Facts(runtime=None)), "x.json")
    assert (report.runtime_flash, report.total_flash, report.total_ram, report.cycles, report.milliseconds) == (
        None,
    ) * 5
    short = parse_report(f"{BANNERS['2.2.0']}\nParameters : generate -m x\n", "x.txt")
    assert (short.macs, short.weights, short.layers, short.st_ai, short.io, short.model_ram) == (None,) * 6


def test_time_counts_where_cycles_were_counted():
    on_host = Facts(command="validate", milliseconds=0.0121, cycles=0, device="x86_64, x86_64, Linux")
    on_chip = Facts(command="validate", milliseconds=69.38, cycles=11_100_800, device="dev")
    for facts, expected in ((on_host, None), (on_chip, 69.38)):
        assert parse_report(st_reports.c_info(facts), "x.json").milliseconds == expected
        assert parse_report(st_reports.text(facts), "x.txt").milliseconds == expected
    assert parse_report(st_reports.c_info(on_chip), "x.json").cycles == 11_100_800


@pytest.mark.parametrize(
    ("text", "core", "pack", "generation"),
    [
        (BANNERS["5.0.0"], None, "5.0.0", 8),
        (BANNERS["8.1.0"], None, "8.1.0", 8),
        (BANNERS["9.0.0"], None, "9.0.0", 9),
        (BANNERS["1.0.0"], "1.0.0", "9.1", 9),
        ("\x1b[32mST Edge AI Core v2.0.0-20049\x1b[0m\n   ISPU 1.1.0\n   STM32CubeAI 10.0.0\n", "2.0.0", "10.0.0", 10),
        (BANNERS["2.2.0"], "2.2.0", "10.2", 10),
        ("ST Edge AI Core v3.1.0-20311 2a284c16e", "3.1.0", None, 10),
        ("ST Edge AI Core v4.0.1-20581 7ed50de05\n   STM32CubeAI 12.0.1-RC2\n", "4.0.1", "12.0.1", 10),
        ("stm32ai - Neural Network Tools for STM32 v1.4.0 (AI tools v5.2.0)", None, "5.2.0", 8),
    ],
)  # fmt: skip
def test_versions(text, core, pack, generation):
    version = find_version(text)
    assert (version.core, version.pack, version.generation) == (core, pack, generation)


def test_a_users_number_is_of_pack_or_core():
    version = find_version(BANNERS["2.2.0"])
    assert all(version.is_called(number) for number in ("2", "2.2.0", "10", "10.2", "10.2.0"))
    assert not any(version.is_called(number) for number in ("3.0.0", "2.1.0", "10.1.0", "9", "", "x"))


def write(folder, facts, *kinds, name="network"):
    for kind in kinds:
        ending = f"{facts.command}_report.txt" if kind == "text" else f"{kind}.json"
        (folder / f"{name}_{ending}").write_text(getattr(st_reports, kind)(facts))


def test_a_run_is_its_json_completed_by_its_text(tmp_path):
    write(tmp_path, Facts(), "c_info", "text")
    report = read_run([tmp_path], "network", "generate")
    assert (report.source, report.optimization, report.arrays) == ("c_info 2.0", "balanced", 4)
    old = Facts(version="8.1.0")
    (tmp_path / "network_c_info.json").unlink()
    write(tmp_path, old, "c_graph", "report", "text")
    report = read_run([tmp_path / "elsewhere", tmp_path], "network", "generate")
    assert (report.target, report.runtime_flash, len(report.layers)) == ("stm32u5", 31938, 2)


def test_files_of_two_runs_are_not_mixed(tmp_path):
    write(tmp_path, Facts(), "c_info")
    write(tmp_path, Facts(activations=5), "text")
    with pytest.raises(UserError, match=r"two runs: activations is 112196 in one, 5 in the other"):
        read_run([tmp_path], "network", "generate")


def test_an_older_report_is_of_another_run(tmp_path):
    write(tmp_path, Facts(), "c_info")
    before = time.time() - 100
    os.utime(tmp_path / "network_c_info.json", (before, before))
    with pytest.raises(UserError, match=r"left no report of this run in .*expected network_c_info\.json"):
        read_run([tmp_path], "network", "generate", since=time.time() - 10)


DAMAGE = {
    "no JSON at all": (lambda text: "{", r"not the JSON"),
    "another JSON": (lambda text: '{"a": 1}', "none of the JSON files"),
    "a constant": (lambda text: text.replace("112196", "NaN"), "NaN is no number"),
    "a text for a number": (lambda text: text.replace("112196", '"many"'), r"memory_footprint: activations: 'many'; expected a number"),
    "a number below 0": (lambda text: text.replace("112196", "-1"), r"activations: -1; expected a whole number"),
    "a number beyond all": (lambda text: text.replace("112196", "1e400"), r"activations: inf; expected a number"),
    "true": (lambda text: text.replace("112196", "true"), r"activations: True; expected a number"),
    "nested": (lambda text: '{"a":' * 100_000, "nested too deeply"),
    "a list for an object": (lambda text: text.replace('"memory_footprint": {', '"memory_footprint": [1], "x": {'), "expected an object"),
    "a buffer that isn't there": (lambda text: text.replace('"inputs": [\n    1\n   ]', '"inputs": [99]'), "there is no buffer 99"),
    "no buffers": (lambda text: text.replace('"buffers"', '"buffer"'), "buffers: missing"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_json(name):
    change, message = DAMAGE[name]
    text = change(st_reports.c_info(Facts()))
    with pytest.raises(UserError, match=message):
        parse_report(text, "x.json")


def test_a_file_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("pyaed.stedgeai.reports.MAX_BYTES", 1000)
    (tmp_path / "x.txt").write_text(st_reports.text(Facts()))
    with pytest.raises(UserError, match="more than 1000 bytes"):
        read_report(tmp_path / "x.txt")


@pytest.mark.parametrize("version", ["5.0.0", "8.0.0", "3.0.0"])
def test_a_report_cut_anywhere_says_nothing_wrong(version):
    """Whatever is left says what the whole says, or nothing; or it is refused."""
    text = st_reports.text(facts_of(version))
    whole = parse_report(text, "x.txt")
    read = 0
    for end in range(len(text)):
        try:
            part = parse_report(text[:end], "x.txt")
        except UserError:
            continue
        read += 1
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            assert value in (None, (), False) or value == getattr(whole, field.name), (end, field.name)
    assert read > 20


def test_some_mutations():
    """100,000 were run once: ``python tests/stedgeai/fuzz_reports.py FOLDER``; see docs/security.md."""
    reports = [st_reports.text(facts_of(version)) for version in BANNERS]
    reports += [
        st_reports.c_info(Facts()),
        st_reports.c_graph(facts_of("8.1.0")),
        st_reports.report(facts_of("8.1.0"), "TOOL ERROR: x"),
    ]
    counts = fuzz_reports.run(reports, range(600))
    assert sum(counts.values()) == 600
    assert counts["read"] > 50
    assert counts["refused"] > 50
