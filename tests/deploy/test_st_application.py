"""The files for ST's application: their tables are librosa's, they compile, and what they change is told."""

import re
import subprocess

import librosa
import numpy as np
import pytest
from support import images
from support.commands import pyaed

from pyaed import nn
from pyaed.artefact import ModelMetadata
from pyaed.deploy.st_application import check_suits, st_front_end, write_st_application
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.errors import UserError
from pyaed.operations.st_application import difference

YAMNET = FeatureSpec(
    n_fft=512, window_length=400, hop_length=160, n_mels=64, patch_length=96, fmin=125, fmax=7500, htk=True
)
SLANEY = FeatureSpec(
    n_fft=1024,
    window_length=1024,
    hop_length=320,
    n_mels=64,
    patch_length=50,
    fmin=60,
    fmax=7500,
    norm="slaney",
    htk=False,
    power=2.0,
)


def tables(path):
    """The arrays of a C file by name."""
    text = path.read_text()
    found = re.findall(r"const (\w+) (\w+)\[(\d+)\] = \{(.*?)\};", text, re.S)
    arrays = {}
    for kind, name, size, body in found:
        values = [v.strip() for v in body.split(",") if v.strip()]
        arrays[name] = np.array(
            [float.fromhex(v.rstrip("fF")) for v in values]
            if kind == "float32_t"
            else [int(v.rstrip("uU")) for v in values]
        )
        assert len(arrays[name]) == int(size)
    return arrays


@pytest.mark.parametrize("spec", [YAMNET, SLANEY], ids=["YAMNet", "MiniResNet"])
def test_the_tables_are_librosas(tmp_path, spec):
    write_st_application("m", spec, ModelMetadata(spec, {}, ("dog", "rain")), tmp_path / "st")
    found = tables(tmp_path / "st/user_mel_tables.c")
    window = librosa.filters.get_window(spec.window, spec.window_length, fftbins=True).astype(np.float32)
    assert np.array_equal(found["user_win"].astype(np.float32), window)
    filters = librosa.filters.mel(
        sr=spec.sample_rate,
        n_fft=spec.n_fft,
        n_mels=spec.n_mels,
        fmin=spec.fmin,
        fmax=spec.fmax,
        htk=spec.htk,
        norm=spec.norm,
        dtype=np.float64,
    ).astype(np.float32)
    own, at = np.zeros_like(filters), 0
    for row, start, stop in zip(own, found["user_melFiltersStartIndices"], found["user_melFiltersStopIndices"]):
        row[start : stop + 1] = found["user_melFiltersLut"][at : at + stop + 1 - start]
        at += stop + 1 - start
    assert at == len(found["user_melFiltersLut"])
    assert np.array_equal(own, filters)


def test_they_compile_and_say_what_the_model_says(tmp_path):
    names = ('do"g', "été\\n", "rain")
    write_st_application(
        "my model", YAMNET, ModelMetadata(YAMNET, {}, names, unknown_class_threshold=0.25), tmp_path / "st"
    )
    (tmp_path / "arm_math.h").write_text("#include <stdint.h>\ntypedef float float32_t;\n")
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "user_mel_tables.h"\n#include "ai_model_config.h"\n'
        "int main(void) { const char *names[CTRL_X_CUBE_AI_MODEL_CLASS_NUMBER] = CTRL_X_CUBE_AI_MODE_CLASS_LIST;"
        'for (unsigned i = 0; i < CTRL_X_CUBE_AI_MODE_CLASS_NUMBER; i++) printf("%s|", names[i]);'
        'printf("%u %u %u %u %g %g %u", CTRL_X_CUBE_AI_SPECTROGRAM_NMEL, CTRL_X_CUBE_AI_SPECTROGRAM_COL, CTRL_X_CUBE_AI_SPECTROGRAM_HOP_LENGTH,'
        "CTRL_X_CUBE_AI_SPECTROGRAM_NFFT, (double)CTRL_X_CUBE_AI_OOD_THR, (double)CTRL_X_CUBE_AI_SENSOR_ODR,"
        "(unsigned)CTRL_X_CUBE_AI_SPECTROGRAM_MEL_STOP_IDX[63]); return 0; }\n"
    )
    build = [
        "gcc",
        "-Wall",
        "-Werror",
        f"-I{tmp_path}",
        f"-I{tmp_path / 'st'}",
        str(tmp_path / "main.c"),
        str(tmp_path / "st/user_mel_tables.c"),
        "-o",
    ]
    subprocess.run([*build, str(tmp_path / "main")], check=True)
    out = subprocess.run([tmp_path / "main"], capture_output=True, check=True).stdout.decode()
    assert out == "|".join(names) + "|64 96 160 512 0.25 16000 239"


@pytest.mark.parametrize(
    ("given", "text"),
    [({"sample_rate": 32000}, "target_rate: 32000"), ({"n_mfcc": 13}, "n_mfcc: 13"), ({"fmin": 125.5}, "whole numbers of Hz")],
)  # fmt: skip
def test_what_the_application_cannot_compute(given, text):
    with pytest.raises(UserError, match=text):
        check_suits(FeatureSpec(**{**YAMNET.__dict__, **given}))


def test_its_floor_is_lower_than_the_models_offset():
    """On silence the model was trained on log(1e-4), the application gives log(2^-126): -9.2 and -87.3."""
    silence = np.zeros(2 * YAMNET.min_samples, np.int16)
    assert FrontEnd(YAMNET).log_mel(silence).max() == pytest.approx(np.log(1e-4), abs=1e-4)
    assert st_front_end(YAMNET).log_mel(silence).max() == pytest.approx(-126 * np.log(2), abs=1e-3)
    loud = images.noise(2 * YAMNET.min_samples)
    assert np.abs(FrontEnd(YAMNET).log_mel(loud) - st_front_end(YAMNET).log_mel(loud)).max() < 0.1


def test_the_difference_is_told_in_decibels_and_decisions():
    settings = images.METADATA
    quiet = (images.noise(20000) / 3000).astype(np.int16)
    text = difference(settings, nn.Engine(images.program()), [("quiet", quiet), ("loud", images.noise(20000))])
    found = re.search(
        r"on 2 clips ([\d.]+) dB in the median, ([\d.]+) dB at 95 %, (\d+) dB at most; (\d+) of (\d+) patches", text
    )
    median, high, most = (float(found[i]) for i in (1, 2, 3))
    assert 0 <= median <= high <= most <= 760
    assert high > 1
    assert int(found[5]) > 0


def test_deployment_writes_them_and_prints_the_commands(tmp_path):
    project = tmp_path / "STM32U5"
    (project / "Dpu/Inc").mkdir(parents=True)
    (project / "Dpu/Inc/ai_model_config.h").write_text("old")
    features = [
        f"feature_extraction.{key}={getattr(images.SPEC, key)}"
        for key in ("n_fft", "window_length", "hop_length", "n_mels", "patch_length", "overlap")
    ]
    done = pyaed("deploy", f"general.model_path={images.tiny_model()}", f"hydra.run.dir={tmp_path / 'run'}", *features, "dataset.class_names=[a,b,c]",
                 f"deployment.c_project_path={project}", "deployment.build_conf=Release", "dataset.test_csv_path=gone.csv",
                 "dataset.test_audio_path=gone")  # fmt: skip
    assert done.code == 0, done.err
    files = tmp_path / "run" / "st_application"
    assert {path.name for path in files.iterdir()} == {"user_mel_tables.h", "user_mel_tables.c", "ai_model_config.h"}
    assert f"cp {files / 'ai_model_config.h'} {project / 'Dpu/Inc/ai_model_config.h'}" in done.out
    assert f"put user_mel_tables.c in the place of the one in {project}" in done.out
    assert f"-import {project} -cleanBuild STM32U5/Release" in done.out
    assert "STM32_Programmer_CLI -c port=swd" in done.out
    assert "note: CSV file gone.csv does not exist" in done.err, "a deployment needs no clips"
    assert "without a data set it isn't measured" in done.err
    assert (project / "Dpu/Inc/ai_model_config.h").read_text() == "old", "somebody else's folder is left as it is"
