"""`deployment.engine: stedgeai`: the network of ST's tool in our firmware, with a tool and a runtime of our own in their place."""

import pytest
from support import images, st_runtime_build, st_tool
from support.commands import pyaed

from pyaed import nn
from pyaed.dsp import FrontEnd
from pyaed.measure.verify import adversarial_clips

FEATURES = [f"feature_extraction.{key}={getattr(images.SPEC, key)}"
            for key in ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")]  # fmt: skip


def command(name, folder, path, *more):
    return pyaed(name, f"general.model_path={images.tiny_model()}", f"hydra.run.dir={folder}", *FEATURES, "dataset.class_names=[a,b,c]",
                 "++deployment.engine=stedgeai", f"++tools.stedgeai.path_to_stedgeai={path}", *more)  # fmt: skip


def expected():
    """What `verify` has to find: the patches of its clips, and those whose first byte is odd."""
    front_end, engine = FrontEnd(images.SPEC), nn.Engine(images.program())
    patches = odd = changed = 0
    for _, pcm in adversarial_clips(max(32000, images.SPEC.min_samples)):
        for patch in images.to_inputs(front_end.log_mel(pcm))[:2]:
            patches += 1
            if int(patch.ravel().view("uint8")[0]) & 1:
                odd += 1
                scores = engine.run(patch[None])[0].ravel().copy()
                before = int(scores.argmax())
                scores.view("uint8")[0] ^= 1
                changed += int(scores.argmax()) != before
    assert 0 < odd < patches
    return patches, odd, changed


@pytest.mark.parametrize(("version", "st_ai"), [("3.0.0", True), ("1.0.0", False)], ids=["st-ai", "legacy"])
def test_the_whole_road_on_the_emulator(tmp_path, version, st_ai):
    path = st_runtime_build.installation(tmp_path / "st", version, st_ai)
    done = command("verify", tmp_path / "run", path)
    assert done.code == 0, done.err
    patches, odd, changed = expected()
    assert f"of {3 * patches:,} outputs of {patches:,} patches {3 * patches - odd:,} are equal" in done.out
    assert "(1 steps)" in done.out
    assert f"{changed:,} patches are decided otherwise. Outputs of layers are not known" in done.out
    assert "mps2_an505 runs another engine than pyaed's" in done.out
    generated = tmp_path / "run" / "deployment"
    assert (generated / "st" / "network.c").is_file()
    assert not (generated / "aed_model.c").exists()
    assert "NetworkRuntime1100_CM33_GCC.a" in (generated / "mps2_an505" / "pyaed.map").read_text(errors="replace")
    assert not list(generated.rglob("*.a")), "ST's library is linked, not copied"


def test_the_real_boards_image_is_built_too(tmp_path):
    path = st_runtime_build.installation(tmp_path / "st", "3.0.0", True)
    done = command(
        "deploy",
        tmp_path / "run",
        path,
        "deployment.hardware_setup.board=b_u585i_iot02a",
        "preprocessing.target_rate=16000",
    )
    assert done.code == 0, done.err
    assert (tmp_path / "run/deployment/b_u585i_iot02a/pyaed.elf").is_file()
    assert "engine" in done.out


def test_without_the_runtime_library(tmp_path):
    path = st_runtime_build.installation(tmp_path / "st", "3.0.0", True, library=False)
    done = command("deploy", tmp_path / "run", path)
    assert done.code == 2
    assert "has no runtime library for cortex-m33: no NetworkRuntime*_GCC.a in" in done.err
    assert not (tmp_path / "run" / "deployment").exists()


def test_a_tool_that_stands_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("STEDGEAI_CORE_DIR", raising=False)
    done = command("deploy", tmp_path / "run", st_tool.install(tmp_path / "bin", "3.0.0"))
    assert done.code == 2
    assert "is not found: set STEDGEAI_CORE_DIR to it" in done.err


def test_without_the_tool(tmp_path):
    done = pyaed("deploy", f"general.model_path={images.tiny_model()}", f"hydra.run.dir={tmp_path / 'run'}", *FEATURES, "dataset.class_names=[a,b,c]",
                 "++deployment.engine=stedgeai", env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(tmp_path)})  # fmt: skip
    assert done.code == 2
    assert "deployment.engine: stedgeai needs ST's tool: install ST Edge AI Core" in done.err


def test_a_report_of_another_run_does_not_link(tmp_path):
    """The generated network and the report disagree about the size of the output: found when it is compiled."""
    path = st_runtime_build.installation(tmp_path / "st", "3.0.0", True)
    details = tmp_path / "st" / "network" / "network_details.h"
    details.write_text(details.read_text().replace("OUT_BYTES 3", "OUT_BYTES 5"))
    done = command("deploy", tmp_path / "run", path)
    assert done.code == 2
    assert "the report and the generated network are of two runs" in done.err
