"""Several labels a clip: from a list in the CSV to thresholds in the int8 model and events of a recording."""

import csv
import importlib.util
import json
import re

import numpy as np
import pytest
import soundfile

from pyaed import artefact, config, operations
from pyaed.data.synthetic import render
from pyaed.errors import UserError

NAMES = ("alarm", "engine", "knocks")
RATE = 16000
SECONDS = 2
SETTINGS = {
    "dataset": {"multi_label": True, "class_names": list(NAMES)},
    "preprocessing": {"min_length": 1.2},
    "feature_extraction": {
        "n_mels": 32, "patch_length": 32, "overlap": 0.0, "n_fft": 512, "hop_length": 320, "window_length": 512,
        "fmin": 60, "fmax": 7500, "htk": False, "norm": "slaney", "power": 2.0,
    },
    "training": {
        "model": {"name": "miniresnet", "n_stacks": 1, "pooling": "avg", "pretrained_weights": False},
        "epochs": 4,
    },
}  # fmt: skip


def sound(names, seed):
    """A mixture of one sound a name, 2 s at 16 kHz."""
    mixture = np.zeros(SECONDS * RATE)
    for i, name in enumerate(names):
        pcm, rate = render(name, np.random.default_rng([seed, i]))
        at = np.arange(len(mixture)) * rate / RATE
        mixture += np.interp(at % len(pcm), np.arange(len(pcm)), pcm) / 65536
    return mixture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    (folder / "audio").mkdir()
    with open(folder / "meta.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("filename", "fold", "category"))
        for i in range(30):
            names = [name for bit, name in enumerate(NAMES) if (i % 6 + 1) >> bit & 1]
            soundfile.write(folder / "audio" / f"{i}.wav", sound(names, i), RATE)
            table.writerow((f"{i}.wav", i // 10 + 1, str(names) if i % 2 else ";".join(names)))
    return folder


def settings(folder, run, **dataset):
    tree = json.loads(json.dumps(SETTINGS))
    tree["dataset"] |= {"training_audio_path": str(folder / "audio"), "training_csv_path": str(folder / "meta.csv")}
    tree["dataset"] |= dataset
    tree["hydra"] = {"run": {"dir": str(run)}}
    return tree


def test_all_the_way_to_the_int8_model_and_its_events(folder, tmp_path):
    tree = settings(folder, tmp_path / "run", test_folds=[3], validation_folds=[2])
    tree["training"] |= {"h5_copies": True, "trained_model_path": str(tmp_path / "mine.keras")}
    run = operations.start(config.parse(tree), (), "chain_tqe")
    operations.run_mode(run, "chain_tqe")
    carried = artefact.read(run.quantized_model)
    assert carried.multi_label
    assert len(carried.class_thresholds) == 3
    for copy in (tmp_path / "mine.keras", tmp_path / "run/saved_models/best_model.h5"):
        assert artefact.read(copy).class_thresholds == carried.class_thresholds
    assert carried == artefact.ModelMetadata.from_json(carried.to_json())
    assert run.reports["float"].mean_average_precision > 0.5
    report = json.loads((tmp_path / "run/evaluation/int8_engine_report.json").read_text())
    assert report["mean_average_precision"] > 0.5
    assert [report["classes"][name]["threshold"] for name in NAMES] == list(carried.class_thresholds)

    own = {"general": {"model_path": str(run.quantized_model)}, "hydra": {"run": {"dir": str(tmp_path / "deployed")}}}
    operations.run_mode(operations.start(config.parse(own), (), "deployment"), "deployment")
    generated = (tmp_path / "deployed/deployment/aed_detector_settings.c").read_text()
    on = [
        float.fromhex(value) for value in re.findall(r"(\S+)F,", generated.partition("on[] = {")[2].partition("}")[0])
    ]
    np.testing.assert_array_equal(np.float32(on), np.float32(carried.class_thresholds))
    assert ".multi_label = 1," in generated

    run.config.evaluation.as_device = True
    run.config.deployment.detector.silence_gate = -50
    operations.run_mode(run, "evaluation")
    device, usual = run.reports["int8 engine as device"], run.reports["int8 engine"]
    assert device.clip_accuracy.total == usual.clip_accuracy.total
    assert device.mean_average_precision > 0.5

    long = np.concatenate([np.zeros(3 * RATE), sound(["alarm", "engine"], 99), np.zeros(RATE)])
    soundfile.write(tmp_path / "long.wav", long, RATE)
    own = {
        "general": {"model_path": str(run.quantized_model)},
        "prediction": {"test_files_path": str(tmp_path / "long.wav"), "timeline": True},
        "hydra": {"run": {"dir": str(tmp_path / "predicted")}},
    }
    operations.run_mode(operations.start(config.parse(own), (), "prediction"), "prediction")
    events = json.loads((tmp_path / "predicted/events.json").read_text())["long.wav"]
    assert all(0 <= event["onset"] < event["offset"] <= 6.1 and event["class"] in NAMES for event in events)
    rows = list(csv.DictReader((tmp_path / "predicted/events.csv").read_text().splitlines()))
    assert [float(row["onset"]) for row in rows] == [event["onset"] for event in events]
    # The emulated board's live detector hears the same.
    own["deployment"] = {"detector": {"alpha": 0.8, "silence_gate": -60}}
    for target in ("engine", "emulator"):
        own["prediction"]["target"] = target
        own["hydra"] = {"run": {"dir": str(tmp_path / target)}}
        operations.run_mode(operations.start(config.parse(own), (), "prediction"), "prediction")
    gated = [(tmp_path / target / "events.json").read_text() for target in ("engine", "emulator")]
    assert gated[0] == gated[1]
    assert json.loads(gated[0])["long.wav"]
    del own["prediction"]["timeline"], own["prediction"]["target"]
    own["hydra"] = {"run": {"dir": str(tmp_path / "predicted")}}
    run = operations.start(config.parse(own), (), "prediction")
    operations.run_mode(run, "prediction")
    (row,) = json.loads((tmp_path / "predicted/predictions.json").read_text())
    assert set(row["probabilities"]) == set(NAMES)


def test_crossval(folder, tmp_path):
    tree = settings(folder, tmp_path / "run")
    tree["training"]["epochs"] = 1
    said = []
    result = operations.crossval(config.parse(tree), echo=said.append)
    assert [row["run"] for row in result["runs"]] == [f"fold_{i}" for i in range(1, 4)]
    assert sum(row["test clips"] for row in result["runs"]) == 30
    values = [row["float clips"] for row in result["runs"]]
    assert result["clip_accuracy"]["float"]["mean"] == pytest.approx(np.mean(values))
    assert "95 % interval of the mean" in said[0]
    assert json.loads((tmp_path / "run/crossval.json").read_text())["protocol"] == "folds"
    assert (tmp_path / "run/fold_3/saved_models/best_model.keras").is_file()


def test_crossval_by_the_published_protocol(folder, tmp_path):
    tree = settings(folder, tmp_path / "run")
    tree["training"]["epochs"] = 1
    tree["mlflow"] = {"uri": str(tmp_path / "mlruns")}
    result = operations.crossval(config.parse(tree), protocol="random", repeats=2, echo=len)
    assert [row["run"] for row in result["runs"]] == ["seed_120", "seed_121"]
    if importlib.util.find_spec("mlflow"):
        names = {path.read_text() for path in (tmp_path / "mlruns").rglob("tags/mlflow.runName")}
        assert names == {"training seed_120", "training seed_121"}


@pytest.mark.parametrize(
    ("change", "message"), [({"test_folds": [1]}, "test_folds is given"), ({"training_csv_path": None}, "missing")]
)
def test_crossval_refuses(folder, tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        operations.crossval(config.parse(settings(folder, tmp_path / "run", **change)))
