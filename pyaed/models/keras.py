"""The one place that imports TensorFlow and Keras, quietly."""

import contextlib
import logging
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

from pyaed.errors import UserError

MAX_ELEMENTS = 1 << 26  # of a layer's output, as of a tensor in pyaed/nn


def import_tensorflow() -> Any:
    """Return the ``tensorflow`` module, imported without its start-up chatter.

    Raises
    ------
    UserError
        When TensorFlow is not installed or does not load.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
    try:
        with quiet_stderr():
            import tensorflow
    except ImportError as error:
        raise UserError(
            f"this needs TensorFlow, which does not load ({error}): install it with pip install 'pyaed[train]'"
        ) from error
    logging.getLogger("absl").setLevel(logging.ERROR)
    tensorflow.get_logger().setLevel(logging.ERROR)
    return tensorflow


def import_keras() -> Any:
    """Return the ``keras`` module (version 3, TensorFlow backend).

    Raises
    ------
    UserError
        When TensorFlow or Keras 3 is missing, or Keras runs on another backend.
    """
    import_tensorflow()
    import keras

    if int(keras.__version__.split(".")[0]) < 3:
        raise UserError(
            f"Keras {keras.__version__} is installed, pyaed needs Keras 3: pip install --upgrade 'pyaed[train]'"
        )
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras runs on the backend '{keras.backend.backend()}', pyaed needs 'tensorflow': "
            "unset KERAS_BACKEND or set it to tensorflow"
        )
    return keras


def check_size(path: str | os.PathLike[str], make: Callable[[], Any], n_stored: int) -> None:
    """Refuse a model that needs more than its file holds, before memory is taken for it.

    Parameters
    ----------
    path : path-like
        For the message.
    make : callable
        Makes the model; here its variables get shapes but no values.
    n_stored : int
        Numbers that the file holds.

    Raises
    ------
    UserError
        The model has more variables, or a layer's output for one patch is larger than `MAX_ELEMENTS`.
    """
    keras = import_keras()
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = make()
            needed = sum(math.prod(v.shape) for v in model.variables if "seed_generator" not in v.path)
            outputs = [t.shape for layer in model.layers for t in keras.tree.flatten(layer.output)]
        if needed > n_stored:
            raise UserError(f"{path}: its layers need {needed} numbers, the file holds {n_stored}")
        for shape in outputs:
            if math.prod(n or 1 for n in shape) > MAX_ELEMENTS:
                raise UserError(
                    f"{path}: a layer's output has the shape {shape}, at most {MAX_ELEMENTS} values are accepted"
                )
    except BaseException:
        keras.utils.clear_session()  # else Keras would give the variables their memory at the next opportunity
        raise


def memory_bytes() -> int:
    """Return the memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def limit_gpu_memory(gibibytes: float) -> bool:
    """Let TensorFlow take no more than this of the first GPU's memory; return whether there is a GPU."""
    tf = import_tensorflow()
    devices = tf.config.list_physical_devices("GPU")
    if devices:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=int(gibibytes * 1024))
        try:
            tf.config.set_logical_device_configuration(devices[0], [limit])
        except RuntimeError as error:  # it is in use already
            logging.getLogger(__name__).info("note: general.gpu_memory_limit: %s", error)
    return bool(devices)


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what C++ code writes on file descriptor 2 away from the terminal; show it when the block fails.

    TensorFlow's libraries write there directly, so Python's `sys.stderr` can't stop them.
    """
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # no standard error at all (a daemon): nothing to keep quiet
        yield
        return
    with tempfile.TemporaryFile() as sink:
        os.dup2(sink.fileno(), 2)
        try:
            yield
        except Exception:
            sys.stderr.flush()
            sink.seek(0)
            logging.getLogger(__name__).debug("%s", sink.read().decode(errors="replace"))
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
