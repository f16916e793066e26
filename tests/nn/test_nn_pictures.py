"""The memory plan and profiles, as tables and as pictures."""

import xml.etree.ElementTree as ElementTree

import numpy as np
from networks import convolution_stack, residual_network

from pyaed.nn import Engine, compile_graph, read_tflite, write_plan
from pyaed.nn.pictures import bytes_in_use, plan_svg, plan_text, profile_svg

SVG = "{http://www.w3.org/2000/svg}"


def rectangles(svg: str) -> list:
    return ElementTree.fromstring(svg).findall(f"{SVG}rect")[1:]  # the first is the paper


def test_every_block_is_a_rectangle_inside_the_arena(tmp_path):
    program = compile_graph(read_tflite(residual_network()), None)
    drawn = rectangles(plan_svg(program))
    assert len(drawn) == len(program.blocks)
    for rectangle, (block, at) in zip(drawn, program.blocks):
        bottom = float(rectangle.get("y")) + float(rectangle.get("height"))
        assert abs(bottom - (400 - 360 * at / program.arena_size)) < 0.2
        assert f"{block.size:,} bytes at {at}" in rectangle[0].text
    assert [p.name for p in write_plan(program, tmp_path)] == ["plan.txt", "plan.svg"]
    assert (tmp_path / "plan.svg").read_text() == plan_svg(program)


def test_a_chain_shows_its_stages():
    program = compile_graph(read_tflite(convolution_stack(1)), 0)
    chains = [node for node in program.nodes if node.kernel == "aed_chain_s8"]
    between = sum(len(node.params["stages"]) - 1 for node in chains)
    assert chains
    assert len(rectangles(plan_svg(program))) == len(program.blocks) + between
    lines = plan_text(program).splitlines()
    assert sum("runs depth-first" in line for line in lines) == len(chains)
    assert f"{program.arena_size:,} bytes of arena" in lines[0]
    assert max(bytes_in_use(program)) <= program.arena_size


def test_profile_of_the_host_and_its_bars():
    engine = Engine(residual_network(), workers=1)
    times = engine.profile(np.zeros(engine.program.input.shape[1:], np.float32), runs=3)
    assert len(times) == len(engine.program.nodes)
    assert all(t > 0 for t in times)
    svg = profile_svg("a < b", [("one", 30, 1.5), ("two", 10, None)], "instructions")
    widths = [float(r.get("width")) for r in rectangles(svg)]
    assert abs(widths[0] - 3 * widths[1]) < 0.5 < widths[1]
    assert "30 instructions, 75.0%, 1.50 a MAC" in svg
    assert "a &lt; b" in svg
