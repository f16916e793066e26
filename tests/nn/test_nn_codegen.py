"""The generated C: clean under the warning flags, sound under the sanitizers, and the same bits as the host engine."""

import shutil
import subprocess

import numpy as np
import pytest
from networks import residual_network
from support.cores import CORTEX_M33, c_sources, macros
from tflite_builder import Reference, build, differences, tensor

from pyaed.errors import UserError
from pyaed.nn import Engine, compile_graph, read_tflite, write_c
from pyaed.sources import source_root

WARNINGS = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wshadow",
    "-Wdouble-promotion",
    "-Wpedantic",
    "-Werror",
    "-ffp-contract=off",
]
SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

MAIN = """
#include <stdio.h>
#include "net.h"
static _Alignas(16) unsigned char arena[NET_ARENA_SIZE];
static unsigned nodes_seen;
static void observe(void *context, uint32_t node) { (void)context; nodes_seen += node == nodes_seen; }
int main(void) {
  static float input[NET_INPUT_ELEMENTS];
  float output[NET_OUTPUT_ELEMENTS];
  while (fread(input, sizeof input, 1, stdin) == 1) {
    nodes_seen = 0;
    if (aed_nn_run(&net, input, output, arena, observe, 0) != AED_OK || nodes_seen != NET_N_NODES) return 1;
    fwrite(output, sizeof output, 1, stdout);
  }
  return aed_nn_run(&net, input, output, arena + 1, 0, 0) == AED_ERR_ARGUMENT ? 0 : 2;
}
"""


def includes(folder) -> list[str]:
    root = source_root()
    return [f"-I{folder}", f"-I{root / 'nn_c' / 'include'}", f"-I{root / 'dsp_c' / 'include'}"]


def test_the_network_of_these_tests_equals_the_reference():
    content = residual_network()
    engine, reference = Engine(content), Reference(content)
    random = np.random.default_rng(3)
    for _ in range(20):
        assert differences(engine, reference, random.normal(0, 1, (1, 12, 10, 1)).astype(np.float32)[0]) == []


@pytest.mark.parametrize(
    "compiler",
    [["gcc", "-O1", *SANITIZERS], ["gcc", "-O3"], *([["clang", "-O3"]] if shutil.which("clang") else [])],
    ids=" ".join,
)
def test_generated_c_equals_the_engine(tmp_path, compiler):
    content = residual_network()
    write_c(compile_graph(read_tflite(content)), tmp_path, "net")
    (tmp_path / "main.c").write_text(MAIN)
    command = [*compiler, *WARNINGS, *includes(tmp_path), *macros("x86")]
    program = tmp_path / "main"
    subprocess.run(
        [*command, str(tmp_path / "main.c"), str(tmp_path / "net.c"), *c_sources("nn_c", "x86"), "-o", program],
        check=True,
    )
    batch = np.random.default_rng(1).normal(0, 1.5, (8, 12, 10, 1)).astype(np.float32)
    batch[-1] = 1e30
    result = subprocess.run([program], input=batch.tobytes(), capture_output=True, check=True)
    expected = Engine(content).run(batch)
    assert result.stdout == expected.tobytes()


def test_generated_c_for_the_cortex_m33_links_only_used_kernels(tmp_path):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.fail("arm-none-eabi-gcc is missing: `make test` installs it (package gcc-arm-none-eabi)")
    tensors = [tensor((1, 8), scale=0.1), tensor((1, 8), scale=1 / 256, zero_point=-128)]
    content = build(tensors, [("SOFTMAX", [0], [1], {"beta": 1.0})])
    write_c(compile_graph(read_tflite(content)), tmp_path, "net")
    flags = [*CORTEX_M33, "-O2", *WARNINGS, "-ffunction-sections", "-fdata-sections", *includes(tmp_path)]
    (tmp_path / "main.c").write_text(
        '#include "net.h"\nint main(void){static _Alignas(16) char a[NET_ARENA_SIZE];return aed_nn_run(&net,a,a,a,0,0);}'
    )
    subprocess.run(
        ["arm-none-eabi-gcc", *flags, *macros("cortex_m33"), "-Wl,--gc-sections", "--specs=nosys.specs",
         str(tmp_path / "main.c"), str(tmp_path / "net.c"), *c_sources("nn_c", "cortex_m33"),
         "-o", tmp_path / "net.elf"],
        check=True, capture_output=True,
    )  # fmt: skip
    symbols = subprocess.run(
        ["arm-none-eabi-nm", tmp_path / "net.elf"], capture_output=True, text=True, check=True
    ).stdout
    assert "aed_softmax_s8" in symbols
    for absent in ("aed_conv_s8", "aed_dot_1x4", "aed_fully_connected_s8", "malloc", "expf", "__aeabi_dmul"):
        assert f" {absent}\n" not in symbols


def test_names_in_the_file_cannot_break_the_c(tmp_path):
    name = 'a"b\\c*/ ??/\n\N{SNOWMAN}'
    content = build([tensor((1, 4), scale=0.1), tensor((1, 4), scale=0.1, name=name)], [("RELU", [0], [1], {})])
    paths = write_c(compile_graph(read_tflite(content)), tmp_path, "net")
    assert [p.name for p in paths] == ["net.c", "net.h"]
    subprocess.run(["gcc", *WARNINGS, *includes(tmp_path), "-c", paths[0], "-o", tmp_path / "net.o"], check=True)


def test_the_same_model_gives_the_same_files(tmp_path):
    content = residual_network()
    texts = []
    for folder in ("a", "b"):
        paths = write_c(compile_graph(read_tflite(content)), tmp_path / folder, "net")
        texts.append([p.read_bytes() for p in paths])
    assert texts[0] == texts[1]
    assert compile_graph(read_tflite(content)).hash.encode() in texts[0][0]


def test_a_name_that_is_no_identifier_is_refused(tmp_path):
    program = compile_graph(read_tflite(residual_network()))
    with pytest.raises(UserError, match="'my model' is not a C identifier"):
        write_c(program, tmp_path, "my model")
