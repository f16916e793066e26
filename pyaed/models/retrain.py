"""A model from a file made ready to be trained again: nothing in it stays frozen, and its dropout is the configuration's."""

from collections.abc import Iterator
from typing import Any

from pyaed.errors import UserError
from pyaed.models.ends import TWO_CLASSES

_DROPOUTS = ("AlphaDropout", "Dropout", "GaussianDropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")


def make_trainable(model: Any, source: str, dropout: float | None) -> int:
    """Thaw every layer of a model, and set the rate of its dropout layers.

    Parameters
    ----------
    model : keras.Model
        Changed in place, networks in it too.
    source : str
        Its file, for messages.
    dropout : float or None
        `training.dropout` where the configuration gives it.

    Returns
    -------
    int
        So many layers were frozen.

    Raises
    ------
    UserError
        When `dropout` is given and the model has no dropout layer, or the other way round.
    """
    # What gives one output two scores has nothing to learn.
    layers = [layer for layer in _layers(model) if layer.name != TWO_CLASSES]
    frozen = sum(bool(layer.weights) and not layer.trainable for layer in layers if not hasattr(layer, "layers"))
    for layer in layers:
        layer.trainable = True
    found = [layer for layer in layers if type(layer).__name__ in _DROPOUTS]
    if dropout and not found:
        raise UserError(
            f"training.dropout is {dropout}, but {source} has no dropout layer: leave training.dropout out, or give a model "
            "with a dropout layer"
        )
    if dropout is None and found:
        raise UserError(
            f"{source} has the dropout layer {found[0].name}, but training.dropout is not given: set training.dropout="
            f"{found[0].rate} for the rate that the file has, or another one (0 for none)"
        )
    for layer in found:
        layer.rate = dropout
    return frozen


def _layers(model: Any) -> Iterator[Any]:
    """Yield a model's layers, those of networks in it behind the network."""
    for layer in model.layers:
        yield layer
        if hasattr(layer, "layers"):
            yield from _layers(layer)
