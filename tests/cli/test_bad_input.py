"""Wrong input: exit code 2, one message that names the cause, nothing half-written."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import pyaed


def write_set(folder: Path, rows: list[dict], seconds: float = 2.0) -> None:
    """Write an ESC-format set whose clips are noise."""
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for row in rows:
        name = row.get("filename")
        if name:
            samples = rng.normal(0, 3000, int(seconds * 16000)).astype(np.int16)
            soundfile.write(folder / "audio" / name, samples, 16000)
    with open(folder / "meta.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


ROWS = [{"filename": f"{c}{i}.wav", "category": c} for c in ("a", "b") for i in range(6)]


def train(folder: Path, *overrides: str):
    return pyaed(
        "train", f"dataset.training_audio_path={folder / 'audio'}", f"dataset.training_csv_path={folder / 'meta.csv'}",
        "training.model.name=miniresnet", "training.epochs=1", "feature_extraction.patch_length=50",
        f"hydra.run.dir={folder / 'run'}", *overrides,
    )  # fmt: skip


def expect(result, *parts: str) -> None:
    assert result.code == 2, (result.code, result.err)
    message = result.err[result.err.rindex("error: ") :] if "error: " in result.err else result.err
    for part in parts:
        assert part in message, message


def test_missing_column(tmp_path):
    write_set(tmp_path, [{"filename": "a.wav", "categry": "x"}])
    expect(train(tmp_path), "meta.csv", "category")
    assert not (tmp_path / "run/saved_models").exists()


def test_unreadable_clip(tmp_path):
    write_set(tmp_path, ROWS)
    (tmp_path / "audio/a3.wav").write_bytes(b"RIFF this is no sound")
    expect(train(tmp_path), "a3.wav", "skip_bad_clips")


def test_clip_too_short_for_one_patch(tmp_path):
    write_set(tmp_path, ROWS, seconds=0.2)
    expect(train(tmp_path, "preprocessing.min_length=0.1"), "too short", "min_length")


def test_class_without_clips(tmp_path):
    write_set(tmp_path, ROWS)
    expect(train(tmp_path, "dataset.class_names=[a, c]"), "c")


def test_missing_audio_folder(tmp_path):
    write_set(tmp_path, ROWS)
    os.rename(tmp_path / "audio", tmp_path / "audios")
    expect(train(tmp_path), "audio")


def test_pretrained_weights_are_never_guessed(tmp_path):
    write_set(tmp_path, ROWS)
    result = train(tmp_path, "training.model.name=yamnet", "feature_extraction.patch_length=96",
                   "training.model.pretrained_weights=True")  # fmt: skip
    if "PYAED_PRETRAINED" not in os.environ:
        expect(result, "yamnet_256_f32.h5", "PYAED_PRETRAINED")


def test_model_and_configuration_disagree(project):
    result = project.pyaed(
        "evaluate", "-c", project.config, f"general.model_path={project.float_model}", "feature_extraction.n_mels=40",
        "preprocessing.min_length=2", "hydra.run.dir=bad",
    )  # fmt: skip
    expect(result, "disagree", "n_mels: 40", "32", "min_length: 2")


def test_class_names_disagree(project):
    result = project.pyaed(
        "evaluate", "-c", project.config, f"general.model_path={project.float_model}", "dataset.class_names=[alarm, dog]",
        "hydra.run.dir=bad",
    )  # fmt: skip
    expect(result, "disagree", "class_names", "dog", "siren")


@pytest.mark.parametrize(
    ("argument", "parts"),
    [
        ("general.model_path=run/saved_models/best_modle.keras", ["not found", "did you mean 'best_model.keras'"]),
        ("general.model_path=user.yaml", ["no model file", ".tflite"]),
        ("general.model_path=", ["missing", "quantized model"]),
    ],
)
def test_model_path(project, argument, parts):
    expect(project.pyaed("deploy", argument, "hydra.run.dir=bad"), *parts)


def test_float_model_is_not_deployed(project):
    expect(project.pyaed("deploy", f"general.model_path={project.float_model}", "hydra.run.dir=bad"), "quantized model")


def test_damaged_model(project):
    data = bytearray(project.quantized_model.read_bytes())
    broken = project.folder / "broken.tflite"
    broken.write_bytes(data[: len(data) // 2])
    expect(project.pyaed("deploy", "general.model_path=broken.tflite", "hydra.run.dir=bad"), "broken.tflite")


def test_unknown_board(project):
    result = project.pyaed(
        "deploy", f"general.model_path={project.quantized_model}", "deployment.hardware_setup.board=mps2_an500",
        "hydra.run.dir=bad",
    )  # fmt: skip
    expect(result, "mps2_an500", "did you mean 'mps2_an505'")


def path_without(tmp_path: Path, *missing: str) -> dict:
    """An environment whose PATH has every program of today but those."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).iterdir() if Path(directory).is_dir() else []:
            if program.name not in missing and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    return {**os.environ, "PATH": str(folder)}


def test_no_compiler(project, tmp_path):
    result = project.pyaed(
        "deploy", f"general.model_path={project.quantized_model}", f"hydra.run.dir={tmp_path / 'run'}",
        env=path_without(tmp_path, "arm-none-eabi-gcc"),
    )  # fmt: skip
    expect(result, "arm-none-eabi-gcc", "apt-get install")
    assert not list((tmp_path / "run").rglob("*.elf"))


def test_no_qemu(project, tmp_path):
    result = project.pyaed(
        "verify", f"general.model_path={project.quantized_model}", f"hydra.run.dir={tmp_path / 'run'}",
        env=path_without(tmp_path, "qemu-system-arm"),
    )  # fmt: skip
    expect(result, "QEMU", "apt-get install")


def test_port_that_does_not_exist(project):
    result = project.pyaed(
        "verify", f"general.model_path={project.quantized_model}", "--port", "/dev/ttyNOSUCH", "hydra.run.dir=bad"
    )
    expect(result, "/dev/ttyNOSUCH")


def test_port_that_is_busy(project):
    import serial

    master, slave = os.openpty()
    try:
        with serial.serial_for_url(os.ttyname(slave), exclusive=True):
            result = project.pyaed(
                "verify",
                f"general.model_path={project.quantized_model}",
                "--port",
                os.ttyname(slave),
                "hydra.run.dir=bad",
            )
    finally:
        os.close(master)
        os.close(slave)
    expect(result, "busy")


def test_output_folder_that_cannot_be_written(project, tmp_path):
    (tmp_path / "file").write_text("")
    result = project.pyaed(
        "deploy", f"general.model_path={project.quantized_model}", f"hydra.run.dir={tmp_path / 'file' / 'run'}"
    )
    expect(result, "cannot write")


def test_a_model_that_does_not_fit_is_refused_before_anything_is_written(tmp_path):
    """Patches so large that their stream alone exceeds the board's RAM."""
    write_set(tmp_path, ROWS, seconds=30.0)
    result = train(
        tmp_path, "feature_extraction.patch_length=1600", "feature_extraction.n_mels=128", "feature_extraction.hop_length=256",
        "feature_extraction.window_length=512", "feature_extraction.fmin=0", "feature_extraction.fmax=8000",
        "feature_extraction.htk=True", "feature_extraction.n_fft=2048", "preprocessing.max_length=30",
        "training.model.pooling=avg", "training.batch_size=1", "training.model.pretrained_weights=False",
    )  # fmt: skip
    assert result.code == 0, result.err
    model = tmp_path / "run/saved_models/best_model.keras"
    folder = tmp_path / "deployed"
    result = pyaed(
        "run", f"general.model_path={model}", "operation_mode=chain_qd", f"hydra.run.dir={folder}",
        f"dataset.quantization_audio_path={tmp_path / 'audio'}", f"dataset.quantization_csv_path={tmp_path / 'meta.csv'}",
    )  # fmt: skip
    expect(result, "does not fit", "RAM")
    assert not (folder / "deployment").exists()


def test_interrupted_writing_leaves_nothing(tmp_path):
    from pyaed.files import atomic_path

    def interrupted() -> None:
        with atomic_path(tmp_path / "x.bin") as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
