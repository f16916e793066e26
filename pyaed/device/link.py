"""The host's end of the serial link: requests, replies, time-outs, retries. docs/link.md has the wire format."""

import errno
import logging
import select
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import serial
from serial.tools import list_ports

from pyaed.device import framing, ports
from pyaed.device.messages import table
from pyaed.errors import UserError, nearest

log = logging.getLogger(__name__)

#: aed_status -> (name, what it says about a request)
STATUSES = {
    -1: ("AED_ERR_ARGUMENT", "a value is out of range"),
    -2: ("AED_ERR_SIZE", "the request has a wrong length"),
    -3: ("AED_ERR_STATE", "the device's clip stands at another position"),
    -4: ("AED_ERR_UNSUPPORTED", "this image doesn't know the request"),
    -5: ("AED_ERR_IO", "the board's hardware failed"),
}

#: Code of input_type and output_type -> NumPy type
DTYPES = {0: np.dtype("i1"), 1: np.dtype("u1"), 2: np.dtype("<f4")}

QUICK, SLOW = 10.0, 120.0  # seconds that a reply may take; an emulated inference is slow on a busy host


class LinkError(UserError):
    """The link or the device failed: nothing came, what came made no sense, or the port broke."""


class LinkTimeout(LinkError):
    """No reply came in time, retries included."""


class DeviceError(LinkError):
    """The device refused a request.

    Attributes
    ----------
    status : int
        Its aed_status, a key of `STATUSES`.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Identity:
    """What the device says about itself: the fields of the reply to `identify`, and the names."""

    fields: dict
    class_names: tuple[str, ...]
    node_names: tuple[str, ...]

    def __getattr__(self, name: str):
        try:
            return self.__dict__["fields"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def input_dtype(self) -> np.dtype:
        return DTYPES[self.input_type]

    @property
    def output_dtype(self) -> np.dtype:
        return DTYPES[self.output_type]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(d for d in self.input_dims if d)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return tuple(d for d in self.output_dims if d)


@dataclass(frozen=True)
class Detection:
    """The device's answer to one patch.

    Attributes
    ----------
    patch : int
        Index of the patch in the clip.
    top_class : int
        Class with the highest probability.
    decision : int
        `top_class`, or -1: below the unknown threshold, or the garbage class.
    probabilities : ndarray of float32, shape (n_classes,)
    """

    patch: int
    top_class: int
    decision: int
    probabilities: np.ndarray


def open_port(port: str, baudrate: int) -> serial.SerialBase:
    """Open a serial port, pty or ``socket://`` URL for this process alone, in non-blocking mode.

    Raises
    ------
    UserError
        When it does not exist, is busy, or may not be opened.
    """
    try:
        return serial.serial_for_url(port, baudrate=baudrate, timeout=0, write_timeout=QUICK, exclusive=True)
    except (serial.SerialException, OSError, ValueError) as error:
        text = str(error)
        number = getattr(error, "errno", None)
        if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text or "busy" in text.lower():
            raise UserError(f"port {port} is busy: another program holds it; close that one first") from error
        if number == errno.EACCES:
            raise UserError(
                f"port {port}: permission denied; join the group that owns it (sudo usermod -aG dialout $USER), log in again"
            ) from error
        present = [p.device for p in list_ports.comports()]
        found = (
            f"ports that exist: {', '.join(present)}{nearest(port, present)}"
            if present
            else "no serial port exists here"
        )
        raise UserError(f"cannot open port {port}: {text}; {found}") from error


class Link:
    """A connection to a board that runs a pyaed image. One request at a time; a context manager.

    Parameters
    ----------
    port : str
        Anything that pyserial's ``serial_for_url`` takes: ``/dev/ttyACM0``, a pty, ``socket://host:port``; or ``auto``, the
        one ST-LINK that is connected.
    baudrate : int
        Bits per second; ignored by ptys and sockets.
    retries : int
        How often a request that may be repeated is sent again when no reply came.
    check : callable, optional
        Called while waiting; raises when the other side is known to be gone (see `Emulator.check`).
    timeout : float, optional
        Seconds to wait for a reply, instead of the defaults of each request.
    """

    def __init__(
        self,
        port: str,
        baudrate: int = 115200,
        retries: int = 2,
        check: Callable[[], None] | None = None,
        timeout: float | None = None,
    ):
        self.port = port = ports.resolve(port)
        self.retries = retries
        self.device_dropped = 0
        self.events: list[tuple[str, dict]] = []
        self._check = check or (lambda: None)
        self._timeout = timeout
        self._table = table()
        self._receiver = framing.Receiver(self._table.max_payload, self._table.header.size)
        self._replies: list[bytes] = []
        self._sequence = 0
        self._position = 0
        self._identity: Identity | None = None
        self._check()
        self._serial = open_port(port, baudrate)

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Close the port. May be called again."""
        self._serial.close()

    @property
    def counters(self) -> framing.Counters:
        """Frames that the host has received and dropped."""
        return self._receiver.counters

    # --- one request -------------------------------------------------------------------------------------------------

    def request(self, name: str, tail: bytes = b"", *, retry: bool = True, timeout: float = QUICK, **values) -> dict:
        """Send one request and return its reply.

        Parameters
        ----------
        name : str
            A message of the table.
        tail : bytes
            What fills the rest of the request.
        retry : bool
            Whether the request may be sent again when no reply came: only when doing it twice does no harm.
        timeout : float
            Seconds to wait for each reply.
        **values
            The request's fields.

        Returns
        -------
        dict
            The reply's fields by name, the tail as an array.

        Raises
        ------
        DeviceError
            When the device refuses the request.
        LinkError
            When no reply came, the port broke, or the reply doesn't fit the table.
        """
        message = self._table[name]
        body = message.request.pack(tail, **values)
        attempts = 1 + (self.retries if retry else 0)
        for attempt in range(attempts):
            if attempt:
                log.warning("%s: no reply to '%s', sending it again", self.port, name)
            reply = self._exchange(message.code, body, self._timeout or timeout)
            if reply is not None:
                return self._open(message, *reply)
        raise LinkTimeout(
            f"{self.port}: no reply to '{name}' after {attempts} attempts; "
            f"is this the board's port, and does it run a pyaed image?"
        )

    def _exchange(self, code: int, body: bytes, timeout: float) -> tuple[dict, bytes] | None:
        """Send one frame; return header and body of its reply, or None when none came in time."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        header = self._table.header
        payload = header.pack(type=code, status=0, sequence=self._sequence, dropped=0) + body
        if len(payload) > self._table.max_payload:
            raise ValueError(f"a payload of {len(payload)} bytes; the link carries {self._table.max_payload}")
        # The zero in front ends whatever noise was on the line, so that it can't swallow this frame.
        self._write(b"\0" + framing.encode(payload))
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            for reply in self._receive(min(left, 0.2)):
                fields = header.unpack(reply[: header.size])
                if not fields["type"] & self._table.reply_bit:
                    self._event(fields, reply[header.size :])
                    continue
                if fields["sequence"] == self._sequence and fields["type"] == code | self._table.reply_bit:
                    return fields, reply[header.size :]
                log.warning("%s: dropped a reply to an earlier request (%s)", self.port, fields)
            self._check()
        return None

    def _event(self, header: dict, body: bytes) -> None:
        """Take what the device sent unasked: a fault ends the request, anything else is kept in `events`."""
        event = next((e for e in self._table.events if e.code == header["type"]), None)
        try:
            fields = event.body.unpack(body) if event else {}
        except ValueError as error:
            raise LinkError(f"{self.port}: an event '{event.name}' that doesn't fit the table: {error}") from error
        if event is None:
            log.warning("%s: passed over an event of unknown type %d", self.port, header["type"])
        elif event.name == "fault":
            what = ", ".join(f"{name} {value:#x}" for name, value in fields.items())
            raise LinkError(f"{self.port}: the board ran into a fault and starts again ({what})")
        else:
            self.events.append((event.name, fields))

    def _open(self, message, header: dict, body: bytes) -> dict:
        if header["dropped"] > self.device_dropped:
            log.warning("%s: the device has dropped %d bad frames", self.port, header["dropped"] - self.device_dropped)
        self.device_dropped = header["dropped"]
        status = header["status"]
        if status:
            name, meaning = STATUSES.get(status, (str(status), "an unknown status"))
            raise DeviceError(f"{self.port}: the device refused '{message.name}': {meaning} ({name})", status)
        if (
            message.name == "identify"
            and len(body) >= 2
            and (found := body[0] | body[1] << 8) != self._table.protocol_version
        ):
            raise LinkError(
                f"{self.port}: the image speaks version {found} of the link, this pyaed version "
                f"{self._table.protocol_version}: deploy it again"
            )
        try:
            return message.reply.unpack(body)
        except ValueError as error:
            raise LinkError(f"{self.port}: a reply to '{message.name}' that doesn't fit the table: {error}") from error

    def _write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            self._check_gone()
            raise LinkError(f"{self.port}: cannot send: {error}") from error

    def _receive(self, wait: float) -> list[bytes]:
        """Return the payloads that come within `wait` seconds, as soon as there are bytes."""
        try:
            try:
                select.select([self._serial.fileno()], [], [], wait)
            except (OSError, AttributeError, ValueError):  # loop:// and Windows have nothing to wait on
                time.sleep(min(wait, 0.002))
            return self._receiver.feed(self._serial.read(65536))
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: pyserial's word for closed
            self._check_gone()
            raise LinkError(f"{self.port}: the connection broke: {error}") from error

    def _check_gone(self) -> None:
        """The port broke: give the other side a moment to be seen as ended, which says more than the port's error."""
        for _ in range(10):
            self._check()
            time.sleep(0.02)

    # --- what the device can do ----------------------------------------------------------------------------------------

    def identify(self) -> Identity:
        """Return who is there; asked once and remembered."""
        if self._identity is None:
            fields = self.request("identify")
            for key in ("input_type", "output_type"):
                if fields[key] not in DTYPES:
                    raise LinkError(f"{self.port}: identify says {key} {fields[key]}; known are {sorted(DTYPES)}")
            classes = self._names(0, fields["n_classes"])
            self._identity = Identity(fields, classes, self._names(1, fields["n_nodes"]))
            for side in ("input", "output"):
                shape, dtype = getattr(self._identity, f"{side}_shape"), getattr(self._identity, f"{side}_dtype")
                if int(np.prod(shape)) * dtype.itemsize != fields[f"{side}_size"]:
                    self._identity = None
                    raise LinkError(
                        f"{self.port}: identify says {side} {shape} {dtype} in {fields[f'{side}_size']} bytes"
                    )
        return self._identity

    def _names(self, which: int, n: int) -> tuple[str, ...]:
        names: list[str] = []
        while len(names) < n:
            reply = self.request("names", table=which, first=len(names))
            parts = bytes(reply["text"]).split(b"\0")[:-1]
            if not parts or reply["first"] != len(names) or reply["count"] != len(parts):
                raise LinkError(f"{self.port}: {len(parts)} names where the device announces {reply['count']}")
            names += [p.decode(errors="replace") for p in parts]
        return tuple(names[:n])

    def device_counters(self) -> dict:
        """Return the device's frame counters, and its stack's size and high-water mark in bytes."""
        return self.request("counters")

    def state(self) -> dict:
        """Return what the board knows of itself: clock, problems, cause of the reset, last fault (docs/link.md)."""
        return self.request("state")

    def record(self, n_samples: int, rate: int = 16000) -> tuple[np.ndarray, dict]:
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
        blocks: list[np.ndarray] = []
        counters: dict = {}
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
        return self._restart(lambda: self._features(_pcm(pcm), n_frames, identity))

    def _features(self, pcm: np.ndarray, n_frames: int | None, identity: Identity) -> np.ndarray:
        frames, count = [], 0
        self._position = 0
        while len(pcm) or (n_frames is not None and count < n_frames):
            if not len(pcm):
                if self._position > 2**31:
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

    def _send_pcm(self, name: str, pcm: np.ndarray, timeout: float) -> tuple[np.ndarray, dict]:
        """Send as much as fits; return what the device did not take, and the reply."""
        message = self._table[name]
        room = (self._table.max_payload - self._table.header.size - message.request.size) // message.request.tail_size
        block = pcm[:room]
        reply = self.request(name, block.tobytes(), retry=False, timeout=timeout, position=self._position)
        taken = reply["position"] - self._position
        if not 0 < taken <= len(block):
            raise LinkError(f"{self.port}: the device says it took {taken} of {len(block)} samples")
        self._position = reply["position"]
        return pcm[taken:], reply

    def _restart(self, clip: Callable):
        """Run a clip from its start again when a reply was lost on the way."""
        for attempt in range(1 + self.retries):
            try:
                return clip()
            except LinkTimeout:
                if attempt == self.retries:
                    raise
                log.warning("%s: no reply, starting the clip again", self.port)

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

        def clip():
            self._position = 0
            return self._detect(pcm, limit)

        return self._restart(clip)

    def _detect(self, pcm: np.ndarray, limit: int | None) -> list[Detection]:
        n_classes = self.identify().n_classes
        found: list[Detection] = []
        while len(pcm) and len(found) != limit:
            pcm, reply = self._send_pcm("detect", pcm, SLOW)
            probabilities = reply["probabilities"]
            if len(probabilities) == n_classes:
                found.append(Detection(reply["patch"], reply["top_class"], reply["decision"], probabilities))
            elif len(probabilities):
                raise LinkError(f"{self.port}: {len(probabilities)} probabilities for {n_classes} classes")
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
        room = self._table.max_payload - self._table.header.size - self._table["upload"].request.size
        for offset in range(0, len(data), room):
            self.request("upload", data[offset : offset + room], offset=offset)
        return zlib.crc32(data)

    def _on_input(self, name: str, patch: np.ndarray, **values) -> dict:
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
        identity = self.identify()
        output = self._on_input("infer", patch)["output"]
        if len(output) != identity.output_size:
            raise LinkError(f"{self.port}: an output of {len(output)} bytes, {identity.output_size} announced")
        return np.frombuffer(output.tobytes(), identity.output_dtype).reshape(identity.output_shape)

    def digests(self, patch: np.ndarray) -> np.ndarray:
        """Run the model on one patch and return the CRC-32 of each node's output (uint32, one a node)."""
        n_nodes = self.identify().n_nodes
        found: list[int] = []
        while len(found) < n_nodes:
            more = self._on_input("digests", patch, first=len(found))["crc"]
            if not len(more):
                raise LinkError(f"{self.port}: {len(found)} digests for {n_nodes} nodes")
            found += more.tolist()
        return np.array(found, np.uint32)

    def benchmark(self) -> dict:
        """Count once: the fields of the reply to `benchmark`, converted from ticks to `identify().counter_unit`.

        Returns
        -------
        dict
            Integers; 'nodes' is a list with one count a node.
        """
        identity = self.identify()
        reply = self.request("benchmark", timeout=SLOW)
        if len(reply["nodes"]) != identity.n_nodes or not identity.counter_denominator:
            raise LinkError(f"{self.port}: counts of {len(reply['nodes'])} nodes, {identity.n_nodes} announced")

        def units(ticks: int) -> int:
            return round(int(ticks) * identity.counter_numerator / identity.counter_denominator)

        return {k: [units(n) for n in v] if k == "nodes" else units(v) for k, v in reply.items()}


def _pcm(pcm: np.ndarray) -> np.ndarray:
    pcm = np.asarray(pcm)
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise UserError(f"PCM must be int16 of shape (n_samples,), not {pcm.dtype} of {pcm.shape}")
    return pcm.astype("<i2", copy=False)
