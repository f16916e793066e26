"""Two ways to say "none of them": the garbage class and the unknown threshold, which exclude each other."""

import h5py
import pytest

from pyaed import artefact
from pyaed.artefact import ModelMetadata
from pyaed.config import load
from pyaed.dsp import FeatureSpec
from pyaed.errors import UserError
from pyaed.operations.run import Run
from pyaed.operations.settings import model_settings


def settings_of(tmp_path, garbage, threshold):
    path = tmp_path / "model.h5"
    h5py.File(path, "w").close()
    metadata = ModelMetadata(FeatureSpec(), {"target_rate": 16000}, ("dog", "other"), garbage_class=garbage)
    artefact.write(path, metadata)
    config = load(None, [f"deployment.unknown_class_threshold={threshold}"])
    return model_settings(Run(config, tmp_path), path)


def test_a_model_with_a_garbage_class_takes_no_threshold(tmp_path):
    with pytest.raises(UserError) as error:
        settings_of(tmp_path, "other", 0.4)
    assert "deployment.unknown_class_threshold: 0.4" in str(error.value)
    assert "model.h5 has the garbage class 'other', and the two exclude each other; expected 0" in str(error.value)


@pytest.mark.parametrize(("garbage", "threshold"), [("other", 0), (None, 0.4)])
def test_one_of_them_is_fine(tmp_path, garbage, threshold):
    settings = settings_of(tmp_path, garbage, threshold)
    assert (settings.garbage_class, settings.unknown_class_threshold) == (garbage, threshold)
