"""Quantization of a float model: by TensorFlow Lite's converter, or, of an ``.onnx`` model, by onnxruntime."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pyaed.config import Config
from pyaed.errors import UserError
from pyaed.files import sha256
from pyaed.operations.clips import fake_patches, features, read_sets
from pyaed.operations.model import float_model, onnx_network
from pyaed.operations.run import FLOAT, FLOAT_SUFFIXES, ONNX_SUFFIX, Run, needed
from pyaed.operations.settings import FAKE_DATA, model_settings, own_names, warn_of_fake_data

if TYPE_CHECKING:
    from pyaed.data import Patches

log = logging.getLogger(__name__)


def check_quantizer(config: Config, path: Path) -> None:
    """Refuse a quantizer that is not for a float model's kind of file, and settings that it doesn't have.

    Raises
    ------
    UserError
    """
    from pyaed import quantization

    section = config.quantization
    of_onnx = path.suffix == ONNX_SUFFIX
    fitting = "onnx_quantizer" if of_onnx else "TFlite_converter"
    if section.quantizer not in (None, fitting):
        kinds = ", ".join(FLOAT_SUFFIXES) if of_onnx else ONNX_SUFFIX
        raise UserError(
            f"quantization.quantizer: {section.quantizer}: it quantizes float models of {kinds}, and {path.name} is none; "
            f"expected {fitting}"
        )
    if of_onnx:
        quantization.check_onnx_settings(section.onnx_quant_parameters, section.onnx_extra_options)


def quantize(run: Run) -> None:
    """Quantize the run's float model to int8; the representative patches come from the quantization or training set, or,
    where neither is given, from random noise."""
    from pyaed import quantization

    config = run.config
    path = needed(run, FLOAT)
    check_quantizer(config, path)
    settings = model_settings(run, path, "infer")
    of_onnx = path.suffix == ONNX_SUFFIX
    model = onnx_network(run, path, settings) if of_onnx else float_model(run, path, settings)
    target = run.folder / config.quantization.export_dir / f"quantized_model{ONNX_SUFFIX if of_onnx else '.tflite'}"
    patches: Patches | npt.NDArray[np.float32]
    if _gives_clips(config):
        clips = read_sets(config, own_names(settings)).quantization
        assert clips is not None  # the training set where there is no other
        found = features(config, settings, clips, "quantization features")
        patches, quantized_on = found.patches, f"{len(found.clips)} clips"
    else:
        warn_of_fake_data(run, target)
        patches = fake_patches(settings)
        quantized_on = f"{FAKE_DATA}: {len(patches)} patches of random noise"
    given = {"float_model_sha256": sha256(path), "quantized_on": quantized_on}
    settings = replace(settings, provenance={**settings.provenance, **given})
    if of_onnx:
        network, taken, _ = model
        run.quantized_model = quantization.quantize_onnx(network, patches, taken, config.quantization, settings, target)
    else:
        run.quantized_model = quantization.quantize(model, patches, config.quantization, settings, target)
    log.info("quantized model: %s (%d bytes)", run.quantized_model, run.quantized_model.stat().st_size)


def _gives_clips(config: Config) -> bool:
    """Tell whether the configuration names clips to quantize with: a quantization set or a training set."""
    names = [f"{part}_{kind}_path" for part in ("quantization", "training") for kind in ("audio", "csv")]
    return config.dataset.name == "fsd50k" or any(getattr(config.dataset, name) for name in names)
