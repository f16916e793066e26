"""A tiny quantized model and its firmware image, each made once in a test run."""

import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from pyaed import deploy, nn
from pyaed.artefact import ModelMetadata
from pyaed.dsp import FeatureSpec, FrontEnd, quantize
from pyaed.sources import source_root

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SPEC = FeatureSpec(n_fft=256, window_length=200, hop_length=100, n_mels=16, patch_length=12, overlap=0.5)
METADATA = ModelMetadata(
    SPEC, {}, ('do"g', "été\\n", "other"), garbage_class="other", unknown_class_threshold=0.25
)  # names that need care in C


def once(function):
    """Cache a function of `io`, whether it is given or left at "int8"."""
    cached = functools.cache(function)
    return functools.wraps(function)(lambda io="int8": cached(io))


@functools.cache
def folder() -> Path:
    """A temporary folder that lives as long as the test run."""
    path = Path(tempfile.mkdtemp(prefix="pyaed-tests-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def float_model():
    """A small convolutional net, untrained."""
    import tensorflow as tf

    tf.keras.utils.set_random_seed(3)
    layers = tf.keras.layers
    steep = tf.keras.initializers.RandomNormal(stddev=5.0, seed=5)
    return tf.keras.Sequential(
        [
            layers.Input((SPEC.n_mels, SPEC.patch_length, 1), batch_size=1),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.DepthwiseConv2D(3, padding="same", activation="relu"),
            layers.Conv2D(12, 1, activation="relu"),
            layers.GlobalAveragePooling2D(),
            # Untrained, but with decided answers that differ from patch to patch.
            layers.Dense(len(METADATA.class_names), activation="softmax", kernel_initializer=steep),
        ]
    )


def kept() -> Path:
    """The folder that PYAED_TEST_BUILD names, where models and builds are found again by the next run; else `folder`."""
    return Path(os.environ.get("PYAED_TEST_BUILD", folder()))


@once
def tiny_model(io: str) -> Path:
    """That net, quantized by TensorFlow Lite's converter; `io` is the type of its input and output."""
    path = kept() / f"tiny_{io}.tflite"
    if path.is_file():
        return path
    import tensorflow as tf

    model = float_model()
    patches = FrontEnd(SPEC)(noise(20000))[..., np.newaxis]
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([p[np.newaxis]] for p in patches)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = getattr(tf, io)
    path.write_bytes(converter.convert())
    return path


@once
def program(io: str) -> nn.Program:
    """The tiny model, lowered."""
    return nn.compile_graph(nn.read_tflite(tiny_model(io)))


@once
def generated(io: str) -> Path:
    """The generated sources of the tiny model."""
    return deploy.generate(program(io), SPEC, METADATA, folder() / f"generated_{io}")


@once
def image(io: str) -> deploy.Image:
    """The tiny model's image for the emulated board."""
    return deploy.build_image(generated(io))


@functools.cache
def chip_image(*options: str) -> deploy.Image:
    """The tiny model's image for the real board, with build options."""
    sources = copied_sources(f"chip{len(options)}{abs(hash(options))}")
    return deploy.build_image(sources, "b_u585i_iot02a", [f"-D{option}" for option in options])


def copied_sources(name: str) -> Path:
    """A copy of the generated sources, to be spoilt by a test."""
    target = folder() / name
    return Path(
        shutil.copytree(generated(), target, ignore=shutil.ignore_patterns("mps2_an505", "b_u585i_iot02a", "*.log"))
    )


def to_inputs(log_mel: np.ndarray, io: str = "int8") -> np.ndarray:
    """Cut frames into patches in the tiny model's input type."""
    patches = FrontEnd(SPEC).patches(log_mel)
    end = program(io).input
    return patches if end.dtype == "float32" else quantize(patches, end.scale, end.zero_point, end.dtype)


def noise(n: int, seed: int = 0) -> np.ndarray:
    """Noise of changing level, int16."""
    envelope = 3000 * (1.2 + np.sin(np.arange(n) / 3000))
    return np.clip(np.random.default_rng(seed).normal(size=n) * envelope, -32768, 32767).astype(np.int16)


@functools.cache
def host_application() -> Path:
    """The whole application with the tiny model for this machine, under the sanitizers."""
    build = kept() / "application"
    sources = build / "generated"
    sources.mkdir(parents=True, exist_ok=True)
    for path in (p for p in generated().iterdir() if p.is_file()):
        if not (sources / path.name).is_file() or (sources / path.name).read_bytes() != path.read_bytes():
            shutil.copy(path, sources)
    options = [
        "-DAED_BUILD_TESTS=ON",
        "-DAED_SANITIZE=ON",
        "-DCMAKE_C_FLAGS_RELEASE=-O1",
        f"-DAED_GENERATED_DIR={sources}",
    ]
    configure = ["cmake", "-S", source_root(), "-B", build, "-G", "Ninja", *options]
    for command in (configure, ["cmake", "--build", build, "--target", "application"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return build / "firmware" / "tests" / "application"
