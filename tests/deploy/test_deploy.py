"""Fit, generation, build and sizes: right ones are exact, wrong ones are one clear message with nothing left behind."""

import dataclasses
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from support import images

import pyaed
from pyaed import artefact, deploy
from pyaed.detector import DetectorSettings
from pyaed.dsp import FrontEnd
from pyaed.errors import UserError
from pyaed.generators import own
from pyaed.link.messages import protocol
from pyaed.models.keras import import_keras
from pyaed.quantization import quantize
from pyaed.sources import source_root


def test_rooms_add_up_to_the_linked_image():
    image = images.image()
    rows = {row["room"]: row for row in image.table()}
    size = subprocess.run(["arm-none-eabi-size", image.elf], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(n) for n in size.splitlines()[1].split()[:3])
    assert (image.flash, image.ram) == (text + data, data + bss)
    assert sum(image.flash_rooms.values()) == image.flash
    assert sum(image.ram_rooms.values()) == image.ram
    assert 0 <= image.flash_rooms["padding"] < 256
    assert 0 <= image.ram_rooms["padding"] < 256
    program = images.program()
    assert program.weights_bytes <= image.flash_rooms["model"] < program.weights_bytes + 4096
    assert program.arena_size <= image.ram_rooms["arena"] <= program.arena_size + 16
    assert image.ram_rooms["stack"] == 16384
    for room in ("dsp_c", "nn_c", "app", "board", "front-end tables"):
        assert image.flash_rooms[room] > 0, room
    assert rows["limit of mps2_an505"] == {"room": "limit of mps2_an505", "flash": 2 << 20, "ram": 768 << 10}


def test_an_image_has_no_heap_no_libm_no_fused_operations():
    image = images.image()
    with image.elf.open("rb") as file:
        symbols = {symbol.name for symbol in ELFFile(file).get_section_by_name(".symtab").iter_symbols()}
    assert "aed_frontend_frame" in symbols
    assert not symbols & {"malloc", "free", "_sbrk", "printf", "logf", "sqrtf", "expf"}
    code = subprocess.run(["arm-none-eabi-objdump", "-d", image.elf], capture_output=True, text=True, check=True).stdout
    assert "vmul.f32" in code
    assert "vfma" not in code
    assert "vfms" not in code


@pytest.mark.parametrize("make", [images.image, images.chip_image])
def test_what_an_image_is_said_to_need_covers_it(make):
    image, detector = make(), DetectorSettings.from_settings(images.METADATA)
    found = deploy.needs(own.engine_model(images.program()), images.SPEC, image.board, detector)
    assert image.ram <= sum(found["RAM"].values()) < image.ram + (4 << 10)
    assert image.flash <= sum(found["flash"].values()) < image.flash + (24 << 10)


def test_a_boards_own_memory_counts():
    large = dataclasses.replace(own.engine_model(images.program()), memory=730_000)
    deploy.check_fit(large, images.SPEC, "mps2_an505")
    with pytest.raises(UserError, match=r"does not fit b_u585i_iot02a.*b_u585i_iot02a itself 44,032"):
        deploy.check_fit(large, images.SPEC, "b_u585i_iot02a")


def test_what_is_known_to_be_too_large_is_refused_before_anything_is_written(tmp_path):
    program = images.program()
    big = dataclasses.replace(program, arena_size=800_000)
    with pytest.raises(UserError, match=r"does not fit mps2_an505.*RAM.*786,432.*activations \(arena\) 800,000"):
        deploy.generate(big, images.SPEC, images.METADATA, tmp_path / "out")
    node = dataclasses.replace(program.nodes[0], weights_bytes=3 << 20)
    big = dataclasses.replace(program, nodes=(node, *program.nodes[1:]))
    with pytest.raises(UserError, match=r"does not fit.*flash.*2,097,152.*weights 3,1"):
        deploy.generate(big, images.SPEC, images.METADATA, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_mismatches(tmp_path):
    def generate(spec=images.SPEC, folder="out", board="mps2_an505", **changes):
        metadata = dataclasses.replace(images.METADATA, **changes)
        return deploy.generate(images.tiny_model(), spec, metadata, tmp_path / folder, board)

    with pytest.raises(UserError, match="3 outputs, but there are 2 classes"):
        generate(class_names=("a", "other"))
    with pytest.raises(UserError, match="garbage class 'nothing' is none of"):
        generate(garbage_class="nothing")
    with pytest.raises(UserError, match="patch_length: 12 of metadata, 13 of spec"):
        generate(spec=dataclasses.replace(images.SPEC, patch_length=13))
    with pytest.raises(UserError, match=r"board 'mps2_an500' is not known; .*did you mean 'mps2_an505'"):
        generate(board="mps2_an500")
    with pytest.raises(UserError):
        generate(spec=dataclasses.replace(images.SPEC, to_db=True, db_reference="max"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds files that are not generated by pyaed"):
        generate(folder="mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_generating_again_replaces_and_is_reproducible(tmp_path):
    first = deploy.generate(images.program(), images.SPEC, images.METADATA, tmp_path / "out")
    texts = {p.name: p.read_bytes() for p in first.iterdir()}
    (first / "aed_model.c").write_text("spoilt")
    deploy.generate(images.program(), images.SPEC, images.METADATA, tmp_path / "out")
    assert {p.name: p.read_bytes() for p in first.iterdir()} == texts
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("version", "carried"),
    [
        ("0.2.0", "0.2.0"),
        ("0.2.0.dev162+gc6bc5d668", "0.2.0.dev162+gc6bc5d668"),
        ("0.20.10.dev1620+gc6bc5d668.d20261128", "0.20.10.dev1620+gc6bc5d668.d"),  # changed since that commit
    ],
)
def test_the_version_fits_the_link(tmp_path, monkeypatch, version, carried):
    monkeypatch.setattr("pyaed.__version__", version)
    folder = deploy.generate(images.program(), images.SPEC, images.METADATA, tmp_path / "out")
    assert f'aed_pyaed_version[] = "{carried}"' in (folder / "aed_identity.c").read_text()
    field = next(f for f in protocol()["identify"].reply.fields if f.name == "pyaed_version")
    assert len(carried) <= field.count


@pytest.mark.parametrize(
    ("tool", "line"), [("arm-none-eabi-gcc", "gcc-arm-none-eabi libnewlib-arm-none-eabi"), ("cmake", "cmake")]
)
def test_a_missing_tool_is_named_with_the_line_that_installs_it(tmp_path, monkeypatch, tool, line):
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in {"arm-none-eabi-gcc", "cmake", "ninja"} - {tool}:
        (bin_folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setattr(sys, "executable", str(bin_folder / "python"))
    with pytest.raises(UserError, match=f"needs {tool}, which is not installed: sudo apt-get install {line}$"):
        deploy.build_image(images.generated())


def failed(sources, pattern, **options) -> str:
    with pytest.raises(UserError, match=pattern) as caught:
        deploy.build_image(sources, **options)
    assert not (sources / "mps2_an505").exists()
    log = sources / "build_mps2_an505.log"
    assert str(log) in str(caught.value)
    assert log.stat().st_size > 0
    assert not [p for p in sources.iterdir() if p.name.startswith(".")]
    return str(caught.value)


def test_a_compiler_error_is_shown_and_the_log_kept():
    sources = images.copied_sources("compiler_error")
    with (sources / "aed_identity.c").open("a") as file:
        file.write("int broken = missing_name;\n")
    failed(sources, r"aed_identity\.c:\d+:\d+: error: 'missing_name' undeclared")


def test_a_linker_error_is_shown():
    sources = images.copied_sources("linker_error")
    with (sources / "aed_identity.c").open("a") as file:
        file.write(
            "int nowhere(void); int caller(void); __attribute__((used)) int caller(void) { return nowhere(); }\n"
        )
        file.write(
            'extern int (*const keep)(void); __attribute__((used, section(".vectors"))) int (*const keep)(void) = caller;\n'
        )
    failed(sources, "undefined reference to `nowhere'")


def test_a_cmake_error_is_shown():
    failed(images.copied_sources("cmake_error"), "AED_BOARD is 'none'", cmake_options=["-DAED_BOARD=none"])
    failed(images.copied_sources("no_engine"), "AED_ENGINE is 'none'.*one of: own", cmake_options=["-DAED_ENGINE=none"])


def test_the_installed_package_has_all_sources_of_an_image(monkeypatch):
    """What an installation has beside the Python files is enough to build; here a clone's sources would win."""
    installed = next(path for path in (Path(p) / "sources" for p in pyaed.__path__) if path.is_dir())
    assert installed != source_root()
    for module in ("deploy.build", "boards.description"):
        monkeypatch.setattr(f"pyaed.{module}.source_root", lambda: installed)
    assert deploy.build_image(images.copied_sources("installed")).flash == images.image().flash


@pytest.mark.parametrize(
    ("kind", "room"), [("static char large[800000]", "RAM"), ("static const char large[2200000]", "FLASH")]
)
def test_the_linker_has_the_last_word_about_size(kind, room):
    sources = images.copied_sources(f"too_large_{room}")
    with (sources / "aed_identity.c").open("a") as file:
        file.write(f'{kind};\n__attribute__((used, section(".vectors"))) static const void *const keep = large;\n')
    failed(sources, f"does not fit mps2_an505: .* of {room}")


def test_build_options_are_the_boards_own():
    assert deploy.check_options("B-U585I-IOT02A", {"AED_BAUDRATE": 921600}) == ["-DAED_BAUDRATE=921600"]
    with pytest.raises(UserError, match=r"no option 'AED_BAUD_RATE'.*did you mean 'AED_BAUDRATE'"):
        deploy.check_options("b_u585i_iot02a", {"AED_BAUD_RATE": 1})
    with pytest.raises(UserError, match=r"mps2_an505 has no option 'AED_BAUDRATE'; it has AED_MLPERF"):
        deploy.check_options("mps2_an505", {"AED_BAUDRATE": 921600})
    with pytest.raises(UserError, match="AED_BAUDRATE must be 115200 or 921600"):
        deploy.build_image(images.copied_sources("option"), "b_u585i_iot02a", ["-DAED_BAUDRATE=9600"])


def test_no_sources(tmp_path):
    with pytest.raises(UserError, match="holds no generated sources"):
        deploy.build_image(tmp_path)


SPEC = images.SPEC
OTHER = {
    "class order": ({"class_names": ("other", "été\\n", 'do"g')}, "class_names: .* of .*tflite, .* of metadata"),
    "several labels": ({"multi_label": True}, "multi_label: False of .*tflite, True of metadata"),
    "garbage class": ({"garbage_class": None}, "garbage_class: 'other' of .*tflite, None of metadata"),
    "features": ({"features": dataclasses.replace(SPEC, fmax=6000.0)}, "fmax: .* of .*tflite, 6000.0 of metadata"),
}


@pytest.fixture(scope="module")
def own_file(tmp_path_factory) -> Path:
    """The tiny model with its metadata."""
    path = tmp_path_factory.mktemp("own") / "own.tflite"
    path.write_bytes(artefact.embed_tflite(images.tiny_model().read_bytes(), images.METADATA))
    return path


@pytest.mark.parametrize("name", OTHER)
def test_a_file_and_other_settings_than_its_own(own_file, tmp_path, name):
    changes, message = OTHER[name]
    metadata = dataclasses.replace(images.METADATA, **changes)
    with pytest.raises(UserError, match=message):
        pyaed.generate_c(own_file, metadata.features, metadata, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_features_and_detector_have_to_be_the_metadatas(own_file, tmp_path):
    with pytest.raises(UserError, match=r"hop_length: 100 of metadata, 128 of spec"):
        pyaed.generate_c(own_file, dataclasses.replace(SPEC, hop_length=128), images.METADATA, tmp_path / "out")
    other = dataclasses.replace(images.METADATA, class_names=("a", "b", "other"))
    with pytest.raises(UserError, match=r"class_names: .* of metadata, \['a', 'b', 'other'\] of detector"):
        pyaed.generate_c(
            own_file, SPEC, images.METADATA, tmp_path / "out", detector=DetectorSettings.from_settings(other)
        )
    threshold = dataclasses.replace(images.METADATA, unknown_class_threshold=0.5)  # this may be chosen on deployment
    assert pyaed.generate_c(own_file, SPEC, threshold, tmp_path / "out").is_dir()


@pytest.mark.parametrize("form", ["path", "content"])
def test_a_file_of_logits_gets_its_softmax(tmp_path, caplog, monkeypatch, form):
    monkeypatch.setattr(logging.getLogger("pyaed"), "propagate", True)
    net = images.float_model()
    net.layers[-1].activation = import_keras().activations.linear
    patches = FrontEnd(SPEC)(images.noise(20000))
    metadata = dataclasses.replace(images.METADATA, class_names=("a", "b", "other"))
    path = quantize(net, patches, None, None, tmp_path / "logits.tflite")
    folder = pyaed.generate_c(path if form == "path" else path.read_bytes(), SPEC, metadata, tmp_path / "out")
    assert "its outputs are logits, not probabilities: softmax is applied" in caplog.text
    assert "softmax" in (folder / "aed_model.c").read_text().lower()
