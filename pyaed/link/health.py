"""What a board says about its own state, in words, and what to do about it."""

import logging
from typing import TYPE_CHECKING

from pyaed.link.messages import Values, protocol

if TYPE_CHECKING:
    from pyaed.link.board import Board

log = logging.getLogger(__name__)

SLOW = (
    "the core runs from its 4 MHz oscillator, 40 times slower than meant, and the port at 115200 baud: take the board off "
    "its power and on again; when that doesn't help, its supply or crystal is suspect"
)
#: What to do about a part that did not come up (`problem` of messages.yaml).
REMEDIES = {
    "voltage": SLOW,
    "booster": SLOW,
    "pll": SLOW,
    "flash": SLOW,
    "switch": SLOW,
    "smps": "build the image with AED_USE_SMPS=0, as this board's supply wants it",
    "cache": "inferences are slower than they could be: reset the board",
    "uart": "replies may be missing: reset the board",
    "counter": "times and counts of this board are wrong: reset it, without a debugger",
    "watchdog": "a hanging board may be restarted later than configured",
    "crystal": "the microphone's rate is only as exact as the oscillator, 1 %: the board's 32.768 kHz crystal doesn't swing",
    "microphone": "sound was lost meanwhile (zeros stand for it): look at the errors that `record` counts",
}
#: Causes of a reset that somebody should know of.
RESETS = {
    "independent_watchdog": "the watchdog restarted the board: it had stopped working for longer than AED_WATCHDOG_SECONDS",
    "window_watchdog": "a watchdog that pyaed doesn't use restarted the board: another image ran before",
    "low_power": "the board was restarted as it entered a low-power mode that its option bytes forbid",
    "option_bytes": "the board's option bytes were changed before this start",
}
EXCEPTIONS = {2: "NMI", 3: "HardFault", 4: "MemManage", 5: "BusFault", 6: "UsageFault", 7: "SecureFault"}
FIRST_INTERRUPT = 16


def remarks(state: Values) -> list[str]:
    """Return what is out of order on a board.

    Parameters
    ----------
    state : dict
        The reply to `state` (docs/link.md).

    Returns
    -------
    list of str
        One sentence for each part, with what to do; empty for a sound board.
    """
    found = []
    for value in protocol().enum("problem").values:
        if state["problems"] & value.value:
            found.append(f"{value.name}: {value.text}; {REMEDIES[value.name]}")
    for value in protocol().enum("reset_cause").values:
        if state["reset_cause"] & value.value and value.name in RESETS:
            found.append(RESETS[value.name])
    if any(state["fault"]):
        found.append(fault_text(state["fault"]))
    if state["serial_lost"]:
        found.append(
            f"{state['serial_lost']} bytes came faster than the board took them and are lost; requests were repeated"
        )
    if state["serial_errors"]:
        found.append(
            f"characters came damaged {state['serial_errors']} times: another baud rate than the image's (AED_BAUDRATE), a bad cable or hub"
        )
    return found


def fault_text(fault: tuple[int, ...]) -> str:
    """Return a fault record (the fields of the event `fault`) as one sentence."""
    exception, pc, lr, _, cfsr, hfsr, _, bfar = fault
    name = EXCEPTIONS.get(exception, f"exception {exception}")
    if exception >= FIRST_INTERRUPT:
        name = f"interrupt {exception - FIRST_INTERRUPT}, which nobody handles"
    where = f"at {pc:#x}, called from {lr:#x}" if pc else "where the stack can't be read (it may have run over)"
    detail = f"; address {bfar:#x}" if cfsr >> 15 & 1 else ""
    return (
        f"before its last start the board ran into a {name} {where} (CFSR {cfsr:#x}, HFSR {hfsr:#x}{detail}); "
        "arm-none-eabi-addr2line -e pyaed.elf names the line"
    )


def describe(board: "Board") -> str:
    """Return who a board is, how it runs and what is out of order, a line each."""
    identity, state = board.identify(), board.state()
    causes = [v.name.replace("_", " ") for v in protocol().enum("reset_cause").values if state["reset_cause"] & v.value]
    lines = {
        "board": f"{identity.board} on {board.port}",
        "model": f"{identity.model_name}, {identity.n_classes} classes, {identity.sample_rate} Hz",
        "clock": f"{state['clock_hz'] / 1e6:g} MHz",
        "running for": f"{state['uptime_ms'] / 1e3:.1f} s, started by: {', '.join(causes) or 'not known'}",
    }
    if state["device_id"]:
        unique = "".join(f"{word:08X}" for word in state["unique_id"])
        lines["chip"] = f"{state['device_id'] & 0xFFF:#x}, revision {state['device_id'] >> 16:#x}, id {unique}"
    found = remarks(state)
    lines["state"] = "; ".join(found) or "nothing out of order"
    return "\n".join(f"{name:12} {value}" for name, value in lines.items())


def say(board: "Board") -> None:
    """Log what is out of order on a board, as warnings."""
    for remark in remarks(board.state()):
        log.warning("%s: %s", board.port, remark)
