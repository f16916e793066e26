"""The serial link: the protocol's messages, packets on the wire, the connection, and the board behind it as an object."""

from pyaed.link.board import Board, Detection, DeviceError, Identity, LinkError, LinkLost, LinkTimeout

__all__ = ["Board", "Detection", "DeviceError", "Identity", "LinkError", "LinkLost", "LinkTimeout"]
