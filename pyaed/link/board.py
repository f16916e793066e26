"""What a board can be asked for, one method each. `connection` carries the requests, docs/link.md has the wire format."""

import logging
import time
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError
from pyaed.link.connection import QUICK, Connection, DeviceError, LinkError, LinkLost, LinkTimeout
from pyaed.link.identity import Detection, Identity, wrong_classes, wrong_identity, wrong_name
from pyaed.link.messages import Values, protocol

T = TypeVar("T")

__all__ = ["Board", "Detection", "DeviceError", "Identity", "LinkError", "LinkLost", "LinkTimeout"]

log = logging.getLogger(__name__)

STATE = protocol().enum("status")["err_state"]
CLASSES, NODES = (protocol().enum("name_list")[name] for name in ("classes", "nodes"))
MAX_WINDOW = 1 << 17  # samples; after the last of a clip so many zeros bring every frame that there is
SLOW = 120.0  # seconds; an emulated inference is slow on a busy host


class Board(Connection):
    """A board that runs a pyaed image; opened as `Connection` is."""

    _position = 0  # of the clip on the device, in samples
    _identity: Identity | None = None

    def identify(self) -> Identity:
        """Return who is there; asked once and remembered."""
        if self._identity is None:
            self._identity = self.repeat(self._identify)
        return self._identity

    def _identify(self) -> Identity:
        fields = self.request("identify")
        wrong = wrong_identity(fields)
        if wrong:
            raise LinkError(f"{self.port}: identify says {wrong}")
        classes = self._names(CLASSES, fields["n_classes"])
        return Identity(fields, classes, self._names(NODES, fields["n_nodes"]))

    def _names(self, which: int, n: int) -> tuple[str, ...]:
        names: list[str] = []
        while len(names) < n:
            reply = self.request("names", list=which, first=len(names))
            parts = bytes(reply["text"]).split(b"\0")[:-1]
            if not parts or reply["first"] != len(names) or reply["count"] != len(parts):
                raise LinkError(f"{self.port}: {len(parts)} names where the device announces {reply['count']}")
            names += [p.decode(errors="replace") for p in parts]
            wrong = next((wrong for name in names[-len(parts) :] if (wrong := wrong_name(name))), None)
            if wrong:
                raise LinkError(f"{self.port}: a name {wrong}")
        return tuple(names[:n])

    def _event(self, header: Values, body: bytes) -> None:
        n_events, known = len(self.events), self._identity
        super()._event(header, body)
        if known is None:
            return
        for name, fields in self.events[n_events:]:
            if name == "detection":
                scores, classes = np.array([fields["score"]] * known.n_classes), [fields["class_index"]]
            elif name == "patch":
                scores, classes = fields["scores"], [fields["decision"]]
            else:
                continue
            wrong = wrong_classes(known.n_classes, scores, *classes)
            if wrong or (name == "detection" and classes[0] < 0):
                raise LinkError(f"{self.port}: an event '{name}' with {wrong or 'no class'}")

    def device_counters(self) -> Values:
        """Return the device's packet counters, and its stack's size and high-water mark in bytes."""
        return self.request("counters")

    def state(self) -> Values:
        """Return what the board knows of itself: clock, problems, cause of the reset, last fault (docs/link.md)."""
        return self.request("state")

    def record(self, n_samples: int, rate: int = 16000) -> tuple[npt.NDArray[np.int16], Values]:
        """Record from the board's microphone.

        Parameters
        ----------
        n_samples : int
        rate : int
            Hz.

        Returns
        -------
        pcm : ndarray of int16, shape (n_samples,)
        counters : dict
            'lost', 'saturations', 'errors' since the start, see docs/link.md.

        Raises
        ------
        LinkError
            When the board has no microphone of that rate, or nothing comes from it for two seconds.
        """
        self.request("record", rate=0)
        blocks: list[npt.NDArray[np.int16]] = []
        counters: Values = {}
        count, last = 0, time.monotonic()
        try:
            while count < n_samples:
                reply = self.request("record", rate=rate, retry=False)
                pcm = reply.pop("pcm")
                if reply.pop("position") != count:
                    raise LinkError(f"{self.port}: a part of the recording was lost on the link")
                if len(pcm):
                    last = time.monotonic()
                elif time.monotonic() - last > QUICK / 5:
                    raise LinkError(f"{self.port}: the microphone gives no samples")
                blocks.append(pcm)
                count += len(pcm)
                counters = reply
        finally:
            self.request("record", rate=0)
        return np.concatenate([np.zeros(0, np.int16), *blocks])[:n_samples], counters

    def reset(self) -> None:
        """Bring the device to the state of a fresh start."""
        self.request("reset")
        self.device_dropped = 0
        self._position = 0

    def features(self, pcm: np.ndarray, n_frames: int | None = None) -> np.ndarray:
        """Stream a clip through the device's front end.

        Parameters
        ----------
        pcm : ndarray of int16, shape (n_samples,)
        n_frames : int, optional
            Frames wanted. Where the clip gives fewer (its last windows reach beyond its end), zeros are sent behind it.

        Returns
        -------
        ndarray of float32, shape (n_frames, n_mels)
        """
        identity = self.identify()
        return self.repeat(lambda: self._features(_pcm(pcm), n_frames, identity))

    def _features(self, pcm: np.ndarray, n_frames: int | None, identity: Identity) -> np.ndarray:
        frames, count = [], 0
        self._position = 0
        most = len(pcm) + MAX_WINDOW + identity.hop_length * (n_frames or 0)
        while len(pcm) or (n_frames is not None and count < n_frames):
            if not len(pcm):
                if self._position > most:
                    raise LinkError(f"{self.port}: {n_frames} frames wanted, {count} came")
                pcm = np.zeros(max(1, identity.hop_length), np.int16)
            pcm, reply = self._send_pcm("features", pcm, QUICK)
            values = reply["log_mel"]
            if reply["first_frame"] != count or len(values) % identity.n_mels:
                raise LinkError(
                    f"{self.port}: frame {count} expected, {reply['first_frame']} came with {len(values)} values"
                )
            frames.append(values.reshape(-1, identity.n_mels))
            count += len(frames[-1])
        found = np.concatenate(frames) if frames else np.zeros((0, identity.n_mels), np.float32)
        return found[:n_frames].astype(np.float32, copy=False)

    def _send_pcm(self, name: str, pcm: np.ndarray, timeout: float) -> tuple[np.ndarray, Values]:
        """Send as much as fits; return what the device did not take, and the reply."""
        message = self._protocol[name]
        room = (
            self._protocol.max_payload - self._protocol.header.size - message.request.size
        ) // message.request.tail_size
        block = pcm[:room]
        reply = self.request(name, block.tobytes(), retry=False, timeout=timeout, position=self._position)
        taken = reply["position"] - self._position
        if not 0 < taken <= len(block):
            raise LinkError(f"{self.port}: the device says it took {taken} of {len(block)} samples")
        self._position = reply["position"]
        return pcm[taken:], reply

    def repeat(self, work: Callable[[], T]) -> T:
        """Do one piece of work that may be done again from its start; do so when it failed on the way.

        A lost reply, a board that was reset and a port that came back within `patience` are such failures. Returns what
        `work` returns.

        Raises
        ------
        LinkError
            When it failed more often than `retries`, or another image came back.
        """
        lost, attempt = False, 0
        while True:
            try:
                if lost:
                    self._come_back()
                    lost = False
                return work()
            except LinkLost as error:
                lost = True
                if attempt == self.retries or not self.patience:
                    raise
                log.warning("%s; waiting up to %g s for the port", error, self.patience)
            except (LinkTimeout, DeviceError) as error:
                again = not error.retried if isinstance(error, LinkTimeout) else error.status == STATE
                if attempt == self.retries or not again:
                    raise
                log.warning("%s; starting again", error)
            attempt += 1

    def _come_back(self) -> None:
        self.reopen()
        before = self._identity
        self._identity = None
        found = self._identify()
        if before is not None and found != before:
            raise LinkError(f"{self.port}: another image answers since the port came back ({found.model_name})")
        self._identity = found

    def detect(self, pcm: np.ndarray, restart: bool = True, limit: int | None = None) -> list[Detection]:
        """Stream PCM through the whole detector.

        Parameters
        ----------
        pcm : ndarray of int16, shape (n_samples,)
        restart : bool
            Whether this is a new clip; otherwise it continues the one before.
        limit : int, optional
            Stop after so many detections; the rest of the PCM is not sent.

        Returns
        -------
        list of Detection
            One for each patch that was completed.
        """
        pcm = _pcm(pcm)
        if not restart:
            return self._detect(pcm, limit)

        def clip() -> list[Detection]:
            self._position = 0
            return self._detect(pcm, limit)

        return self.repeat(clip)

    def _detect(self, pcm: np.ndarray, limit: int | None) -> list[Detection]:
        n_classes = self.identify().n_classes
        found: list[Detection] = []
        while len(pcm) and len(found) != limit:
            pcm, reply = self._send_pcm("detect", pcm, SLOW)
            probabilities = reply["probabilities"]
            wrong = wrong_classes(n_classes, probabilities, reply["top_class"], reply["decision"])
            if wrong or (len(probabilities) and reply["top_class"] < 0):
                raise LinkError(f"{self.port}: the device answers with {wrong or 'no top class'}")
            if len(probabilities):
                found.append(Detection(reply["patch"], reply["top_class"], reply["decision"], probabilities))
        return found

    def upload(self, patch: np.ndarray) -> int:
        """Write the model's input, in its own type and shape; return its CRC-32."""
        identity = self.identify()
        patch = np.asarray(patch)
        if patch.dtype != identity.input_dtype or patch.size * patch.itemsize != identity.input_size:
            raise UserError(
                f"the model takes {identity.input_dtype} of shape {identity.input_shape}, not {patch.dtype} of {patch.shape}"
            )
        data = patch.tobytes()
        room = self._protocol.max_payload - self._protocol.header.size - self._protocol["upload"].request.size
        for offset in range(0, len(data), room):
            self.request("upload", data[offset : offset + room], offset=offset)
        return zlib.crc32(data)

    def _on_input(self, name: str, patch: np.ndarray, **values: Any) -> Values:
        crc = self.upload(patch)
        reply = self.request(name, timeout=SLOW, **values)
        if reply["input_crc"] != crc:
            raise LinkError(f"{self.port}: the device ran on another input than the one sent")
        return reply

    def infer(self, patch: np.ndarray) -> np.ndarray:
        """Run the model on one patch.

        Parameters
        ----------
        patch : ndarray
            One input in the model's own type; any shape with its number of elements.

        Returns
        -------
        ndarray
            The raw output, in the model's output type and shape.
        """
        return self.repeat(lambda: self._infer(patch))

    def _infer(self, patch: np.ndarray) -> np.ndarray:
        identity = self.identify()
        output = self._on_input("infer", patch)["output"]
        if len(output) != identity.output_size:
            raise LinkError(f"{self.port}: an output of {len(output)} bytes, {identity.output_size} announced")
        return np.frombuffer(output.tobytes(), identity.output_dtype).reshape(identity.output_shape)

    def digests(self, patch: np.ndarray) -> np.ndarray:
        """Run the model on one patch and return the CRC-32 of each node's output (uint32, one a node)."""
        return self.repeat(lambda: self._digests(patch))

    def _digests(self, patch: np.ndarray) -> np.ndarray:
        n_nodes = self.identify().n_nodes
        found: list[int] = []
        while len(found) < n_nodes:
            more = self._on_input("digests", patch, first=len(found))["crc"]
            if not len(more):
                raise LinkError(f"{self.port}: {len(found)} digests for {n_nodes} nodes")
            found += more.tolist()
        return np.array(found, np.uint32)

    def benchmark(self) -> Values:
        """Count once: the fields of the reply to `benchmark`, ticks converted to `identify().counter_unit`.

        Returns
        -------
        dict
            Integers; 'nodes' is a list with one count a node.
        """
        identity = self.identify()
        reply = self.repeat(lambda: self.request("benchmark", timeout=SLOW))
        if len(reply["nodes"]) != identity.n_nodes or not identity.counter_denominator:
            raise LinkError(f"{self.port}: counts of {len(reply['nodes'])} nodes, {identity.n_nodes} announced")

        def units(ticks: int) -> int:
            numerator: int = identity.counter_numerator
            return round(int(ticks) * numerator / int(identity.counter_denominator))

        counts = {key: reply.pop(key) for key in ("cache_hits", "cache_misses")}
        return counts | {k: [units(n) for n in v] if k == "nodes" else units(v) for k, v in reply.items()}


def _pcm(pcm: np.ndarray) -> np.ndarray:
    pcm = np.asarray(pcm)
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise UserError(f"PCM must be int16 of shape (n_samples,), not {pcm.dtype} of {pcm.shape}")
    return pcm.astype("<i2", copy=False)
