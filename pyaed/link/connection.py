"""A port and the requests over it: packets out, replies in, time-outs, retries, a port that goes away and comes back."""

import errno
import logging
import select
import time
from collections.abc import Callable
from typing import Any, TypeVar

import serial
from serial.tools import list_ports

from pyaed.errors import UserError, nearest
from pyaed.link import packets, ports
from pyaed.link.messages import Message, Values, protocol

log = logging.getLogger(__name__)

QUICK = 10.0  # seconds that a reply may take
MAX_EVENTS = 100_000  # that are kept until somebody takes them
WARNINGS = 5  # lines of the log in a second; the rest is counted


class LinkError(UserError):
    """The link or the device failed: nothing came, what came made no sense, or the port broke."""


class LinkLost(LinkError):
    """The port broke: unplugged, reset by the other side, closed by the driver."""


class LinkTimeout(LinkError):
    """No reply came in time, retries included.

    Attributes
    ----------
    retried : bool
        Whether the request was sent again, so that there is no use in starting its work anew.
    """

    def __init__(self, message: str, retried: bool = False):
        super().__init__(message)
        self.retried = retried


class DeviceError(LinkError):
    """The device refused a request.

    Attributes
    ----------
    status : int
        Its aed_status, a value of the enumeration `status`.
    """

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


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


Opened = TypeVar("Opened", bound="Connection")


class Connection:
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
    patience : float
        Seconds to wait for a port that went away (unplugged, reset) to come back; 0 gives up at once.
    """

    def __init__(
        self,
        port: str,
        baudrate: int = 115200,
        retries: int = 2,
        check: Callable[[], None] | None = None,
        timeout: float | None = None,
        patience: float = 0.0,
    ):
        self._wanted, self._baudrate = port, baudrate
        self.port = port = ports.resolve(port)
        self.patience = patience
        self.retries = retries
        self.device_dropped = 0
        self.events: list[tuple[str, Values]] = []
        self.events_lost = 0
        self._next_event = 0
        self._warned: list[float] = []
        self._unsaid = 0
        self._check = check or (lambda: None)
        self._timeout = timeout
        self._protocol = protocol()
        self._receiver = packets.Receiver(self._protocol.max_payload, self._protocol.header.size)
        self._sequence = 0
        self._check()
        self._serial = open_port(port, baudrate)

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the port. May be called again."""
        self._serial.close()

    def reopen(self) -> None:
        """Open the port again after it broke, as soon as it is there; `auto` may find it under another name.

        Raises
        ------
        LinkLost
            When it did not come back within `patience` seconds.
        """
        self.close()
        self._receiver.feed(b"\0")  # half a packet from before must not swallow the next one
        self.device_dropped = 0
        end = time.monotonic() + self.patience
        while True:
            self._check()
            try:
                self.port = ports.resolve(self._wanted)
                self._serial = open_port(self.port, self._baudrate)
                return
            except UserError as error:
                if time.monotonic() >= end:
                    raise LinkLost(
                        f"{self.port}: the connection broke and did not come back within {self.patience:g} s ({error})"
                    ) from error
            time.sleep(0.1)

    @property
    def counters(self) -> packets.Counters:
        """Packets that the host has received and dropped."""
        return self._receiver.counters

    # --- one request -------------------------------------------------------------------------------------------------

    def request(
        self, name: str, tail: bytes = b"", *, retry: bool = True, timeout: float = QUICK, **values: Any
    ) -> Values:
        """Send one request and return its reply.

        Parameters
        ----------
        name : str
            A message of the protocol.
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
        LinkTimeout
            When no reply came.
        LinkLost
            When the port broke.
        LinkError
            When the reply doesn't fit the protocol.
        """
        message = self._protocol[name]
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
            f"is this the board's port, and does it run a pyaed image?",
            retried=retry,
        )

    def _exchange(self, code: int, body: bytes, timeout: float) -> tuple[Values, bytes] | None:
        """Send one packet; return header and body of its reply, or None when none came in time."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        header = self._protocol.header
        payload = header.pack(type=code, status=0, sequence=self._sequence, dropped=0) + body
        if len(payload) > self._protocol.max_payload:
            raise ValueError(f"a payload of {len(payload)} bytes; the link carries {self._protocol.max_payload}")
        # The zero in front ends whatever noise was on the line, so that it can't swallow this packet.
        self._write(b"\0" + packets.encode(payload))
        end = time.monotonic() + timeout
        found = None
        while found is None and (left := end - time.monotonic()) > 0:
            for reply in self._receive(min(left, 0.2)):  # events may stand behind the reply
                fields = header.unpack(reply[: header.size])
                if not fields["type"] & self._protocol.reply_bit:
                    self._event(fields, reply[header.size :])
                    continue
                if fields["sequence"] == self._sequence and fields["type"] == code | self._protocol.reply_bit:
                    found = fields, reply[header.size :]
                else:
                    self._warn("%s: dropped a reply to an earlier request (%s)", self.port, fields)
            if found is None:
                self._check()
        return found

    def _event(self, header: Values, body: bytes) -> None:
        """Take what the device sent unsolicited: a fault ends the request, anything else is kept in `events`."""
        event = next((e for e in self._protocol.events if e.code == header["type"]), None)
        if event is None:
            self._warn("%s: passed over an event of unknown type %d", self.port, header["type"])
            return
        try:
            fields = event.body.unpack(body)
        except ValueError as error:
            raise LinkError(f"{self.port}: an event '{event.name}' that doesn't fit the protocol: {error}") from error
        if event.name == "fault":
            what = ", ".join(f"{name} {value:#x}" for name, value in fields.items())
            raise LinkError(f"{self.port}: the board ran into a fault and starts again ({what})")
        else:
            lost = header["sequence"] - self._next_event & 0xFFFF
            if lost:
                self._warn("%s: %d events were lost on the way", self.port, lost)
            self.events_lost += lost
            self._next_event = header["sequence"] + 1
            if len(self.events) >= MAX_EVENTS:
                raise LinkError(f"{self.port}: the device floods the link: {MAX_EVENTS} events that nobody asked for")
            self.events.append((event.name, fields))

    def _warn(self, text: str, *values: object) -> None:
        """Log a warning; of a flood a few lines a second, and how many there were besides."""
        now = time.monotonic()
        self._warned = [t for t in self._warned if now - t < 1]
        if len(self._warned) >= WARNINGS:
            self._unsaid += 1
            return
        self._warned.append(now)
        if self._unsaid:
            log.warning("%s: %d more such lines are left out", self.port, self._unsaid)
            self._unsaid = 0
        log.warning(text, *values)

    def wait_for_events(self, seconds: float) -> None:
        """Take what comes unsolicited within some seconds, as soon as there is something; nothing is sent."""
        for payload in self._receive(seconds):
            header = self._protocol.header.unpack(payload[: self._protocol.header.size])
            if header["type"] & self._protocol.reply_bit:
                self._warn("%s: dropped a reply to an earlier request (%s)", self.port, header)
            else:
                self._event(header, payload[self._protocol.header.size :])
        self._check()

    def expect_events(self) -> None:
        """Forget the events so far: the live detector is about to start and numbers its events from 0."""
        self.events.clear()
        self.events_lost = self._next_event = 0

    def _open(self, message: Message, header: Values, body: bytes) -> Values:
        if header["dropped"] > self.device_dropped:
            self._warn("%s: the device has dropped %d bad packets", self.port, header["dropped"] - self.device_dropped)
        self.device_dropped = header["dropped"]
        status = header["status"]
        if status:
            known = next((m for m in self._protocol.enum("status").values if m.value == status), None)
            name = f"AED_{known.name.upper()}" if known else str(status)
            meaning = known.text if known else "an unknown status"
            raise DeviceError(f"{self.port}: the device refused '{message.name}': {meaning} ({name})", status)
        if message.name == "identify" and len(body) >= 2:
            self._speak(body[0] | body[1] << 8)
            message = self._protocol["identify"]
        try:
            return message.reply.unpack(body)
        except ValueError as error:
            raise LinkError(
                f"{self.port}: a reply to '{message.name}' that doesn't fit the protocol: {error}"
            ) from error

    def _speak(self, version: int) -> None:
        """Speak as the image does from now on, which says its version of the protocol in the first field of `identify`."""
        own = protocol()
        if not own.oldest_version <= version <= own.protocol_version:
            versions = f"versions {own.oldest_version} to {own.protocol_version}"
            raise LinkError(
                f"{self.port}: the image speaks version {version} of the link, this pyaed "
                f"{versions if own.oldest_version < own.protocol_version else f'version {own.protocol_version}'}: deploy it again"
            )
        self._protocol = own.at(version)

    def _write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            self._check_gone()
            raise LinkLost(f"{self.port}: cannot send: {error}") from error

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
            raise LinkLost(f"{self.port}: the connection broke: {error}") from error

    def _check_gone(self) -> None:
        """The port broke: give the other side a moment to be seen as ended, which says more than the port's error."""
        for _ in range(10):
            self._check()
            time.sleep(0.02)
