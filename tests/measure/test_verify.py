"""Host and device agree in every bit; what is broken on purpose is found and named."""

import dataclasses
import re

import numpy as np
import pytest
from support import images

from pyaed import deploy, nn
from pyaed.artefact import ModelMetadata
from pyaed.boards.emulator import Emulator
from pyaed.dsp import FeatureSpec, FrontEnd, feature_hash, quantize
from pyaed.errors import UserError
from pyaed.measure.verify import adversarial_clips, check_identity, first_difference, verify

CLIPS = [("noise", images.noise(4000)), *adversarial_clips(2500)]


def run(image, clips=CLIPS, model=None):
    engine = nn.Engine(model or images.program())
    front_end = FrontEnd(images.SPEC)
    with Emulator(image.elf) as emulator, emulator.connect() as board:
        return verify(board, clips, front_end.log_mel, images.to_inputs, engine.run, engine.run_layers)


def test_a_good_build_agrees(image):
    report = run(image)
    assert report.ok, report
    assert report.clips == len(CLIPS)
    assert report.patches > 9
    assert report.detections > 0
    assert "agree in every bit" in str(report)
    assert report.dropped == {"host": 0, "device": 0}


def test_contraction_is_caught():
    broken = deploy.build_image(images.copied_sources("contracted"), cmake_options=["-DAED_FP_CONTRACT=fast"])
    report = run(broken)
    assert not report.ok
    assert re.match(
        r"clip noise, frame \d+, bin \d+: host .* \(0x\w{8}\), device .* \(0x\w{8}\); [\d,]+ of", str(report.difference)
    )
    assert report.difference.host_bits != report.difference.device_bits


def test_a_wrong_layer_is_named():
    sources = images.copied_sources("wrong_layer")
    text = (sources / "aed_model.c").read_text()
    names = [node.name for node in images.program().nodes]
    wrong = next(i for i, node in enumerate(images.program().nodes) if node.operator == "FULLY_CONNECTED")
    start = re.search(rf"node{wrong}_bias\[\d+\] = \{{\s*", text).end()
    text = text[:start] + "3000 + " + text[start:]
    (sources / "aed_model.c").write_text(text)
    report = run(deploy.build_image(sources))
    assert not report.ok
    assert f"first at node {wrong} ({names[wrong]})" in report.difference.where
    assert report.difference.where.startswith("clip noise, patch ")


def test_another_device_is_refused(image):
    with Emulator(image.elf) as emulator, emulator.connect() as board:
        identity = board.identify()
    program, spec, names = images.program(), images.SPEC, images.METADATA.class_names
    check_identity(identity, program.hash, feature_hash(spec), names)
    for wrong in (
        ("0" * 64, feature_hash(spec), names),
        (program.hash, "0" * 64, names),
        (program.hash, feature_hash(spec), names[::-1]),
    ):
        with pytest.raises(UserError, match="the board runs another"):
            check_identity(identity, *wrong)


def test_first_difference_sees_bits_not_values():
    zeros = np.zeros((2, 3), np.float32)
    other = zeros.copy()
    other[1, 2] = -0.0
    found = first_difference(zeros, other, str)
    assert (found.where, found.host_bits, found.device_bits, found.count) == ("(1, 2)", "00000000", "80000000", 1)
    nan = np.full(2, np.nan, np.float32)
    assert first_difference(nan, nan.copy(), str) is None
    with pytest.raises(UserError, match="the host has"):
        first_difference(zeros, zeros[:1], str)


@pytest.mark.parametrize("name", ["yamnet_256_64x96_tl_int8", "miniresnet_1stacks_64x50_tl_int8"])
def test_published_models_on_real_clips(shared, tmp_path, name):
    from pyaed.data.decode import decode

    spec = FeatureSpec()
    if "miniresnet" in name:
        spec = FeatureSpec(
            n_fft=1024, window_length=1024, hop_length=320, center=True, power=2.0, fmin=20, norm="slaney", htk=False,
            to_db=True, patch_length=50,
        )  # fmt: skip
    program = nn.compile_graph(nn.read_tflite(shared / "pretrained" / "st_model_zoo" / f"{name}.tflite"))
    metadata = ModelMetadata(spec, {}, tuple(f"class {i}" for i in range(program.output.size)))
    image = deploy.build_image(deploy.generate(program, spec, metadata, tmp_path / "generated"))
    front_end, engine, end = FrontEnd(spec), nn.Engine(program), program.input
    clips = []
    for path in sorted((shared / "datasets" / "esc10" / "audio").iterdir())[:2]:
        audio = decode(path, spec.sample_rate)[: 2 * spec.sample_rate]
        clips.append((path.name, np.clip(np.rint(audio * 32768), -32768, 32767).astype(np.int16)))

    def inputs(log_mel):
        return quantize(front_end.patches(log_mel), end.scale, end.zero_point, end.dtype)

    with Emulator(image.elf) as emulator, emulator.connect() as board:
        report = verify(board, clips, front_end.log_mel, inputs, engine.run, engine.run_layers)
    assert report.ok, report
    assert report.patches >= 2
    assert dataclasses.asdict(report)["clips"] == 2
