"""A Keras model as an .onnx file, as people export it with tf2onnx."""

import logging
from pathlib import Path
from typing import Any

from pyaed.models.keras import import_tensorflow, quiet_stderr


def to_onnx(model: Any, path: Path, channels_first: bool = False, opset: int = 17) -> Path:
    """Export a Keras model with a free batch.

    Parameters
    ----------
    model : keras.Model
    path : path
    channels_first : bool
        The input gets its channel in front: (batch, 1, n_mels, patch_length).
    opset : int
    """
    tf = import_tensorflow()
    with quiet_stderr():
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.ERROR)
        signature = (tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="patch"),)
        function = tf.function(lambda patch: model(patch, training=False), input_signature=signature)
        first = ["patch", "patch:0"] if channels_first else None
        proto, _ = tf2onnx.convert.from_function(function, signature, opset=opset, inputs_as_nchw=first)
    path.write_bytes(proto.SerializeToString())
    return path
