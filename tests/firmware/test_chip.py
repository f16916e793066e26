"""The real board's image in a model of the chip: registers, order, time-outs, the link, faults. No silicon is involved."""

import json
import struct

import numpy as np
import pytest
from support import images
from support.u585 import SYSTICK, UNIQUE_ID, Chip

from pyaed import deploy, nn
from pyaed.boards import find_board
from pyaed.config.schema import Detector as Section
from pyaed.detector import DetectorSettings, StreamFrontEnd, find_events
from pyaed.dsp import feature_hash
from pyaed.link import packets
from pyaed.link.messages import protocol


@pytest.fixture(scope="module")
def elf():
    return images.chip_image().elf


@pytest.fixture
def chip(elf):
    chip = Chip(elf)
    yield chip
    assert chip.errors == []


def exchange(chip: Chip, name: str, tail: bytes = b"", **fields) -> dict:
    """Send a request over the modelled UART; return its reply's fields."""
    message, header = protocol()[name], protocol().header
    payload = header.pack(type=message.code, status=0, sequence=7, dropped=0) + message.request.pack(tail, **fields)
    chip.sent.clear()
    chip.receive(packets.encode(payload))
    (reply,) = payloads(chip)
    fields = header.unpack(reply[:8])
    assert (fields["type"], fields["status"], fields["sequence"]) == (message.code | 0x80, 0, 7)
    return message.reply.unpack(reply[8:])


def payloads(chip: Chip) -> list[bytes]:
    receiver = packets.Receiver(protocol().max_payload, protocol().header.size)
    found = receiver.feed(bytes(chip.sent))
    assert receiver.counters.dropped == 0
    return found


#: What the clock and the port end with (setting B: MSIS 4 MHz, PLL1 * 80 / 2).
GOLDEN = {
    "RCC_CFGR1": 3,
    "RCC_CFGR2": 0,
    "RCC_CFGR3": 0,
    "RCC_PLL1CFGR": 0x00040001,
    "RCC_PLL1DIVR": 0x0101024F,
    "RCC_PLL1FRACR": 0,
    "FLASH_ACR": 4,
    "ICACHE_CR": 0x00030005,
    "PWR_CR3": 0,
    "CPACR": 0x00F00000,
    "SCB_VTOR": 0x08000000,
    "SCB_SHCSR": 0x00070000,
    "SYST_LOAD": 7_999_999,
    "NVIC_IPR15": 0x4000,
    "NVIC_IPR8": 0x80000000,
    "USART1_CR1": 0x2000002D,
    "USART1_CR2": 0,
    "USART1_CR3": 1,
    "USART1_BRR": 0x56D,
    "USART1_PRESC": 0,
    "GPIOA_AFRH": 0x770,
    "GPIOA_MODER": 0xABFFFFFF & ~0x003C0000 | 0x00280000,
    "GPIOA_PUPDR": 0x64100000,
    "GPIOH_MODER": 0xFFFFFFFF & ~0xF000 | 0x5000,
    "IWDG_PR": 8,
    "IWDG_RLR": 30 * 32000 // 1024 - 1,
    "DBGMCU_APB1FZR1": 0x1000,
    "DEMCR": 1 << 24,
    "NVIC_ISER1": 1 << 29,
}


def test_start_ends_in_the_golden_state(chip):
    chip.run()
    assert {name: hex(chip.values[name]) for name in GOLDEN} == {name: hex(value) for name, value in GOLDEN.items()}
    assert chip.values["PWR_VOSR"] >> 16 & 7 == 7  # range 1, booster on
    assert chip.values["RCC_CR"] >> 24 & 1
    names = [name for name, _ in chip.writes][::-1]  # the last write of each
    order = ["CPACR", "SCB_VTOR", "RCC_PLL1CFGR", "PWR_VOSR", "FLASH_ACR", "RCC_CFGR1", "USART1_BRR", "IWDG_KR"]
    assert sorted(order, key=names.index) == order[::-1]
    assert ("IWDG_KR", 0xCCCC) in chip.writes
    assert chip.sent == b""


def test_vectors_and_sizes(elf):
    chip = Chip(elf)
    stack, reset = chip.vectors[:2]
    assert 0x20000000 < stack <= 0x200C0000
    assert stack % 8 == 0
    assert reset % 2 == 1
    handlers = [v for i, v in enumerate(chip.vectors[2:], 2) if i not in (7, 8, 9, 10, 13)]
    assert all(v % 2 == 1 and 0x08000000 < v < 0x08200000 for v in handlers)
    assert chip.vectors[16 + 61] == chip.symbols["aed_uart_irq"]
    assert chip.vectors[15] == chip.symbols["aed_systick"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("AED_BAUDRATE=921600", "AED_WATCHDOG_SECONDS=0"), {"USART1_BRR": 0xAE, "IWDG_PR": 0}),
        (("AED_USE_SMPS=1", "AED_ICACHE_WAYS=1"), {"PWR_CR3": 2, "ICACHE_CR": 0x00030001}),
        (
            ("AED_MSI_PLL=1",),
            {"RCC_BDCR": 0x91, "PWR_DBPR": 1, "RCC_CFGR1": 3, "RCC_PLL1FRACR": 377 << 3, "RCC_PLL1CFGR": 0x40011},
        ),
    ],
)
def test_build_options(options, expected):
    chip = Chip(images.chip_image(*options).elf)
    chip.run()
    assert chip.errors == []
    assert {name: chip.values[name] for name in expected} == expected


#: flag that never comes -> (bit of `problems`, clock that is left)
TIME_OUTS = {
    ("PWR_VOSR", 15): (0, 4_000_000),
    ("PWR_VOSR", 14): (1, 4_000_000),
    ("RCC_CR", 25): (2, 4_000_000),
    ("RCC_CFGR1", 3): (4, 4_000_000),
    ("ICACHE_SR", 0): (6, 160_000_000),
    ("DWT_CYCCNT", 0): (8, 160_000_000),
    ("IWDG_SR", 0): (9, 160_000_000),
    ("USART1_ISR", 21): (7, 160_000_000),
}


@pytest.mark.parametrize("flag", TIME_OUTS)
def test_each_wait_ends_and_the_board_still_answers(elf, flag):
    problem, clock = TIME_OUTS[flag]
    chip = Chip(elf, stuck=(flag,))
    chip.values["PWR_VOSR"] &= ~(1 << 15)
    chip.run()
    state = exchange(chip, "state")
    assert (state["problems"], state["clock_hz"]) == (1 << problem, clock)
    assert chip.errors == []
    if clock == 4_000_000:
        assert chip.values["USART1_BRR"] == 35
        assert chip.values["SYST_LOAD"] == 199_999
        assert chip.values["RCC_CFGR1"] & 3 == 0
        assert not chip.values["RCC_CR"] >> 24 & 1
        assert ("GPIOH_BSRR", 1 << 22) in chip.writes  # the red LED
        assert chip.values["IWDG_PR"] == 0  # no watchdog at the slow clock


def test_a_dead_port_hangs_nothing(elf):
    chip = Chip(elf, stuck=(("USART1_ISR", 7),))
    chip.run()
    code = protocol()["identify"].code
    chip.receive(packets.encode(protocol().header.pack(type=code, status=0, sequence=1, dropped=0)))
    assert chip.sent == b""


def test_identify_and_state(chip):
    chip.run()
    identity = exchange(chip, "identify")
    assert identity["board"] == "b_u585i_iot02a"
    assert identity["counter_unit"] == "cycles"
    assert identity["model_hash"] == images.program().hash
    assert identity["feature_hash"] == feature_hash(images.SPEC)
    state = exchange(chip, "state")
    assert state["unique_id"] == UNIQUE_ID
    assert state["device_id"] & 0xFFF == 0x482
    assert (state["clock_hz"], state["problems"]) == (160_000_000, 0)
    assert state["reset_cause"] == 2  # the reset pin
    assert (state["cache_hits"], state["cache_misses"]) == (123456, 789)
    assert (state["button"], state["fault"]) == (0, (0,) * 8)
    for _ in range(12):
        chip.interrupt(SYSTICK)
    chip.values["GPIOC_IDR"] = 1 << 13
    state = exchange(chip, "state")
    assert (state["uptime_ms"], state["button"]) == (600, 1)
    assert chip.writes.count(("IWDG_KR", 0xAAAA)) > 2


def test_features_and_inference_are_the_hosts_bits(chip):
    chip.run()
    pcm = images.noise(1500)
    found = exchange(chip, "features", pcm.tobytes(), position=0)["log_mel"].reshape(-1, 16)
    host = images.FrontEnd(images.SPEC).log_mel(pcm)[: len(found)]
    assert len(found) >= 10
    assert found.tobytes() == host.tobytes()
    patch = images.to_inputs(images.FrontEnd(images.SPEC).log_mel(images.noise(3000)))[0]
    exchange(chip, "upload", patch.tobytes(), offset=0)
    output = exchange(chip, "infer")["output"]
    assert output.tobytes() == nn.Engine(images.program()).run(patch[np.newaxis]).tobytes()
    counters = exchange(chip, "counters")
    assert 0 < counters["stack_used"] < counters["stack_size"] // 2


def test_interrupts_in_the_middle_of_work_lose_nothing(chip):
    chip.run()
    header, rng = protocol().header, np.random.default_rng(1)
    code = protocol()["features"].code
    data, n = b"", 6
    for sequence in range(n):
        body = protocol()["features"].request.pack(images.noise(200, sequence).tobytes(), position=0)
        data += packets.encode(header.pack(type=code, status=0, sequence=sequence, dropped=0) + body)
    at = 0
    while at < len(data):  # bytes arrive while packets are being computed
        chip.received.extend(data[at : at + 8])
        at += 8
        chip.interrupt(16 + 61)
        chip._go(count=int(rng.integers(20, 400)))
    for _ in range(3):
        chip.interrupt(SYSTICK)
        chip.run()
    replies = [header.unpack(p[:8]) for p in payloads(chip)]
    assert [(r["sequence"], r["status"]) for r in replies] == [(s, 0) for s in range(n)]


def test_a_flood_and_line_errors_are_counted(chip):
    chip.run()
    for _ in range(1300):  # more than the ring, nobody reads
        chip.received.extend(b"\xaa" * 8)
        chip.values["USART1_ISR"] |= 1 << 3
        chip.interrupt(16 + 61)
        assert not chip.values["USART1_ISR"] & 0xF
    chip.run()
    chip.receive(b"\0")
    state = exchange(chip, "state")
    assert state["serial_errors"] == 1300
    assert state["serial_lost"] == 1300 * 8 - 8192
    assert exchange(chip, "counters")["overlong"] == 1


BAD_CODE = {
    "bus": ("2060 0600 6800", 5, 1 << 9 | 1 << 15, 0x60000000),  # r0 = 0x60 << 24; read there
    "usage": ("de01", 6, 1 << 16, 0),  # udf
}


@pytest.mark.parametrize("kind", BAD_CODE)
def test_a_fault_is_reported_and_the_board_starts_again(elf, kind):
    words, exception, cfsr, address = BAD_CODE[kind]
    chip = Chip(elf)
    chip.run()
    code = b"".join(struct.pack("<H", int(w, 16)) for w in words.split())
    chip.poke("aed_board_stack_used", code)
    header = protocol().header
    chip.receive(packets.encode(header.pack(type=protocol()["counters"].code, status=0, sequence=1, dropped=0)))
    assert chip.was_reset
    (payload,) = payloads(chip)
    event = next(e for e in protocol().events if e.name == "fault")
    assert header.unpack(payload[:8])["type"] == event.code
    fault = event.body.unpack(payload[8:])
    start = chip.symbols["aed_board_stack_used"] & ~1
    assert (fault["exception"], fault["cfsr"], fault["bfar"]) == (exception, cfsr, address)
    assert start <= fault["pc"] <= start + 6
    chip.reset()
    chip.run()
    state = exchange(chip, "state")
    assert state["fault"] == tuple(fault[f.name] for f in event.body.fields)
    assert state["reset_cause"] == 1 << 3  # software
    chip.reset()
    chip.run()
    assert exchange(chip, "state")["fault"] == (0,) * 8
    assert chip.errors == []


def test_an_interrupt_that_nobody_asked_for_is_a_fault(elf):
    chip = Chip(elf)
    chip.run()
    chip.interrupt(16 + 100)
    assert chip.was_reset
    (payload,) = payloads(chip)
    assert protocol().events[0].body.unpack(payload[8:])["exception"] == 116


#: What the microphone's clock, filter and DMA channel end with (16 kHz, MIC1).
MICROPHONE = {
    "RCC_PLL3CFGR": 0x00020001,
    "RCC_PLL3DIVR": 0x0118025F,
    "RCC_PLL3FRACR": 0,
    "RCC_CCIPR3": 0x00020000,
    "GPIOE_AFRH": 0x330,
    "GPIOE_MODER": 0xFFFFFFFF & ~0x003C0000 | 0x00280000,
    "ADF1_CKGCR": 0x00090023,
    "ADF1_SITFCR": 0x00001F11,
    "ADF1_BSMXCR": 0,
    "ADF1_DFLTCR": 0x00100003,
    "ADF1_DFLTCICR": 0x00201750,
    "ADF1_DFLTRSFR": 0,
    "ADF1_DLYCR": 0,
    "DMA_CCR": 0x00C05F01,
}
#: The same of the DMA channel after it has fetched its node.
NODE = {"DMA_CTR1": 0x40091001, "DMA_CTR2": 98, "DMA_CBR1": 1024, "DMA_CSAR": 0x460240F2}


def test_the_microphone_records_and_counts(chip):
    chip.run()
    assert len(exchange(chip, "record", rate=16000)["pcm"]) == 0
    assert {n: hex(chip.values[n]) for n in MICROPHONE} == {n: hex(v) for n, v in MICROPHONE.items()}
    names = [name for name, _ in chip.writes]
    order = ["ADF1_CKGCR", "ADF1_SITFCR", "ADF1_BSMXCR", "ADF1_DFLTCICR", "ADF1_DFLTRSFR", "DMA_CLLR", "ADF1_DFLTCR"]
    last = [len(names) - names[::-1].index(name) for name in order]
    assert last == sorted(last)
    pcm = images.noise(256 * 8 + 5120)
    for at in range(0, len(pcm), 256):
        chip.hear(pcm[at : at + 256].tobytes())
    assert {n: hex(chip.values[n]) for n in NODE} == {n: hex(v) for n, v in NODE.items()}
    assert chip.values["DMA_CLLR"] & 0xFFFF0003 == 0xF8010000
    found, position = [], 0
    while position < 5120:
        reply = exchange(chip, "record", rate=16000)
        assert (reply["position"], reply["lost"], reply["saturations"], reply["errors"]) == (position, 0, 0, 0)
        found.append(reply["pcm"])
        position += len(reply["pcm"])
    # The first 8 blocks, while the microphone settles, are dropped.
    assert np.concatenate(found).tolist() == pcm[256 * 8 :].tolist()
    for _ in range(64 + 3):  # a second that nobody takes, and three blocks more
        chip.hear(bytes(512))
    chip.values["ADF1_DFLTISR"] = 1 << 9 | 1 << 1
    chip.hear(bytes(512))
    assert chip.values["ADF1_DFLTISR"] == 0
    chip.values["DMA_CSR"] |= 3 << 8  # both halves are full: the interrupt came too late
    chip.interrupt(16 + 35)
    reply = exchange(chip, "record", rate=16000)
    assert (reply["lost"], reply["saturations"], reply["errors"]) == (4 * 256 + 512, 1, 1)
    exchange(chip, "record", rate=0)
    assert not chip.values["ADF1_DFLTCR"] & 1
    assert not chip.values["DMA_CCR"] & 1
    assert exchange(chip, "record", rate=16000)["lost"] == 0  # starts afresh


#: rate -> clock divider, filter's and decimation's registers
RATES = {16000: (0x00090023, 0x00201750), 32000: (0x00040023, 0x00201750), 48000: (0x00040023, 0x00800F50)}


def test_the_rates_are_those_that_deploy_knows():
    assert list(RATES) == find_board("b_u585i_iot02a").microphone.sample_rates


@pytest.mark.parametrize("rate", RATES)
def test_each_rate_is_exact(chip, rate):
    chip.run()
    exchange(chip, "record", rate=rate)
    ckgcr, cicr = RATES[rate]
    assert (chip.values["ADF1_CKGCR"], chip.values["ADF1_DFLTCICR"]) == (ckgcr, cicr)
    divider, decimation = (ckgcr >> 16 & 15) + 1, (cicr >> 8 & 0x1FF) + 1
    assert pll3_q(chip, 4_000_000) / divider / decimation / 4 == rate
    assert 2 * decimation**5 < 1 << 26  # what the filter holds (tables 396 to 398)
    settling = -(-rate // 8 // 256)
    pcm = images.noise(256 * (settling + 3))
    for at in range(0, len(pcm), 256):
        chip.hear(pcm[at : at + 256].tobytes())
    assert exchange(chip, "record", rate=rate)["pcm"].tolist() == pcm[256 * settling :].tolist()


def pll3_q(chip: Chip, source: float) -> float:
    """What the PLL's registers make of its source, Hz."""
    cfgr, divr, fracr = (chip.values[f"RCC_PLL3{name}"] for name in ("CFGR", "DIVR", "FRACR"))
    n = (divr & 0x1FF) + 1 + (fracr >> 3) / 8192 * (cfgr >> 4 & 1)
    return source / ((cfgr >> 8 & 15) + 1) * n / ((divr >> 16 & 0x7F) + 1)


def position(chip: Chip) -> tuple[int, list[int]]:
    """All that the microphone has recorded: how long it is, and its samples."""
    found = []
    while True:
        reply = exchange(chip, "record", rate=16000)
        found += reply["pcm"].tolist()
        if not len(reply["pcm"]):
            return len(found), found


def test_faults_while_it_settles_lose_nothing(chip):
    """Time is kept from the first block that counts, and over a start from the last one before."""
    chip.run()
    exchange(chip, "record", rate=16000)
    pcm = images.noise(256 * (2 * SETTLING + 9), seed=4)
    heard = iter(pcm.reshape(-1, 256))

    def hear(n):
        for _ in range(n):
            chip.let_pass(0.016)
            chip.hear(next(heard).tobytes())

    def miss():
        chip.let_pass(0.032)
        chip.values["DMA_CSR"] |= 3 << 8
        chip.interrupt(16 + 35)

    hear(3)
    chip.break_dma(10)  # no block has counted: there is no time to keep
    exchange(chip, "record", rate=16000)  # looks, and starts it again
    hear(SETTLING - 1)
    miss()
    hear(3)
    assert position(chip) == (3 * 256, pcm[256 * (SETTLING + 2) : 256 * (SETTLING + 5)].tolist())
    assert exchange(chip, "record", rate=16000)["lost"] == 0
    chip.break_dma(11)
    exchange(chip, "record", rate=16000)
    hear(SETTLING - 1)
    miss()
    hear(1)
    n, found = position(chip)
    lost = (SETTLING - 1 + 2) * 256
    assert abs(n - 256 - lost) < 64  # a quarter of a block: the looks of the model take time
    assert found[: n - 256] == [0] * (n - 256)
    assert found[-256:] == pcm[256 * (2 * SETTLING + 4) : 256 * (2 * SETTLING + 5)].tolist()


@pytest.mark.parametrize("flag", [10, 11, 12], ids=["data", "node", "setting"])
def test_a_broken_dma_channel_is_started_again_and_time_is_kept(chip, flag):
    chip.run()
    exchange(chip, "record", rate=16000)
    pcm = images.noise(256 * (SETTLING + 4 + SETTLING + 5), seed=flag)
    heard = iter(pcm.reshape(-1, 256))
    for _ in range(SETTLING + 4):
        chip.hear(next(heard).tobytes())
    before = chip.microseconds()
    chip.break_dma(flag)
    assert not chip.values["DMA_CCR"] & 1
    chip.run()
    assert position(chip)[1] == pcm[256 * SETTLING : 256 * (SETTLING + 4)].tolist()
    assert chip.values["DMA_CCR"] & 1
    for _ in range(SETTLING):
        chip.hear(next(heard).tobytes())
    chip.let_pass(0.25)
    lost = round((chip.microseconds() - before) * 16000 / 1e6) - 256
    for _ in range(5):
        chip.hear(next(heard).tobytes())
    n, found = position(chip)
    assert abs(n - 5 * 256 - lost) < 16  # a millisecond: the model's looks take time
    assert found[: n - 5 * 256] == [0] * (n - 5 * 256)
    assert found[-5 * 256 :] == pcm[-5 * 256 :].tolist()
    state = exchange(chip, "state")
    assert (state["problems"], exchange(chip, "record", rate=16000)["errors"]) == (1 << 11, 1)
    exchange(chip, "record", rate=0)
    exchange(chip, "record", rate=16000)
    assert exchange(chip, "state")["problems"] == 0


def test_a_silent_microphone_is_started_again_and_in_the_end_the_watchdog_bites(chip):
    chip.run()
    exchange(chip, "listen", source=1, output=1)
    chip.hear(bytes(512))
    starts = chip.writes.count(("DMA_CCR", 0x00C05F01))
    chip.let_pass(0.1)
    chip.run()
    assert chip.writes.count(("DMA_CCR", 0x00C05F01)) == starts + 1
    chip.hear(bytes(512))  # it has helped
    for _ in range(25):
        chip.let_pass(0.1)
        chip.run()
    assert chip.writes.count(("DMA_CCR", 0x00C05F01)) >= starts + 20
    assert exchange(chip, "state")["problems"] == 1 << 11  # the link still answers ...
    fed = chip.writes.count(("IWDG_KR", 0xAAAA))
    for _ in range(5):
        chip.let_pass(0.1)
        chip.run()
    assert chip.writes.count(("IWDG_KR", 0xAAAA)) == fed  # ... until the watchdog bites
    chip.hear(bytes(512))
    for _ in range(2):
        chip.let_pass(0.05)
        chip.run()
    assert chip.writes.count(("IWDG_KR", 0xAAAA)) > fed


def test_a_start_behind_a_bootloader(elf):
    chip = Chip(elf)
    chip.values |= {"RCC_CR": 1 << 24 | 0x30, "RCC_CFGR1": 3, "PWR_VOSR": 7 << 16, "RCC_PLL1CFGR": 0x40002}
    chip.values |= {"RCC_PLL1DIVR": 0x01010209, "FLASH_ACR": 4, "RCC_ICSCR1": 0x14800000}
    chip.run()
    assert chip.errors == []
    state = exchange(chip, "state")
    assert (state["clock_hz"], state["problems"]) == (160_000_000, 0)
    assert {name: hex(chip.values[name]) for name in GOLDEN} == {name: hex(value) for name, value in GOLDEN.items()}
    assert chip.values["RCC_ICSCR1"] == 0x44800000  # 4 MHz, as this register says


@pytest.mark.parametrize("flag", [("RCC_CR", 29), ("ADF1_DFLTCR", 31)])
def test_a_microphone_that_does_not_come_up_is_refused(elf, flag):
    chip = Chip(elf, stuck=(flag,))
    chip.run()
    message, header = protocol()["record"], protocol().header
    for rate in (16000, 44100):
        chip.sent.clear()
        request = header.pack(type=message.code, status=0, sequence=1, dropped=0) + message.request.pack(rate=rate)
        chip.receive(packets.encode(request))
        assert header.unpack(payloads(chip)[0][:8])["status"] == -4
    assert exchange(chip, "state")["problems"] == 0
    assert chip.errors == []


def test_the_microphones_edge_and_gain_are_options():
    chip = Chip(images.chip_image("AED_MIC_EDGE=1", "AED_MIC_SCALE=44").elf)
    chip.run()
    exchange(chip, "record", rate=16000)
    assert chip.values["ADF1_BSMXCR"] == 1
    assert chip.values["ADF1_DFLTCICR"] == 0x02C01750
    assert chip.errors == []


SETTLING = 8  # blocks of 256 samples that the microphone's start drops
GREEN_ON, GREEN_OFF = ("GPIOH_BSRR", 1 << 23), ("GPIOH_BSRR", 1 << 7)


def hear(chip: Chip, pcm: np.ndarray) -> None:
    """Let the microphone hear whole blocks, the application work after each."""
    for at in range(0, len(pcm), 256):
        chip.hear(pcm[at : at + 256].tobytes())
        chip.run()


def unsolicited(chip: Chip, name: str) -> list[dict]:
    event = next(e for e in protocol().events if e.name == name)
    return [event.body.unpack(p[8:]) for p in payloads(chip) if p[0] == event.code]


def test_what_the_microphone_hears_becomes_the_hosts_events(chip):
    detector = DetectorSettings.from_settings(images.METADATA)
    pcm = images.noise(256 * 90, seed=2)
    pcm[256 * 30 : 256 * 60] = (8000 * np.sin(np.arange(256 * 30) / 3)).astype(np.int16)
    patches = StreamFrontEnd(detector)(pcm)
    expected = find_events(nn.Engine(images.program()).predict(patches).reshape(-1, 3), detector)
    assert len(expected) > 2
    chip.run()
    reply = exchange(chip, "listen", source=1, output=6)
    assert reply == {"source": 1, "patch_hop": 600, "patch_samples": 1300, "settings_crc": detector.crc}
    assert {n: hex(chip.values[n]) for n in MICROPHONE} == {n: hex(v) for n, v in MICROPHONE.items()}
    hear(chip, np.zeros(256 * SETTLING, np.int16))
    chip.sent.clear()
    hear(chip, pcm)
    told = unsolicited(chip, "patch")
    detections = unsolicited(chip, "detection")
    assert len(told) == len(patches)
    assert all(p["busy"] > 0 and p["lost"] == 0 for p in told)
    led = [write for write in chip.writes if write in (GREEN_ON, GREEN_OFF)][-len(told) :]
    assert led == [GREEN_ON if p["decision"] >= 0 else GREEN_OFF for p in told]
    chip.sent.clear()
    message, header = protocol()["listen"], protocol().header
    request = header.pack(type=message.code, status=0, sequence=9, dropped=0) + message.request.pack(source=0, output=0)
    chip.receive(packets.encode(request))
    detections += unsolicited(chip, "detection")
    found = [
        {
            "onset": round(e["onset"] / 16000, 3),
            "offset": round(e["offset"] / 16000, 3),
            "class": images.METADATA.class_names[e["class_index"]],
            "score": round(e["score"], 6),
        }
        for e in detections
        if e["ended"]
    ]
    assert sorted(found, key=lambda e: e["onset"]) == expected
    assert not chip.values["ADF1_DFLTCR"] & 1
    assert chip.writes[::-1].index(GREEN_OFF) < chip.writes[::-1].index(GREEN_ON)


def test_blocks_that_the_detector_misses_are_counted(chip):
    chip.run()
    exchange(chip, "listen", source=1, output=4)
    for _ in range(SETTLING + 64 + 3):  # a second fits in the ring
        chip.hear(bytes(512))
    chip.sent.clear()
    chip.run()
    assert {p["lost"] for p in unsolicited(chip, "patch")} == {3 * 256}


def test_a_board_that_starts_by_itself_prints_json_until_a_host_speaks():
    detector = DetectorSettings.from_settings(images.METADATA, Section(autostart=True))
    folder = deploy.generate(
        images.program(), images.SPEC, images.METADATA, images.folder() / "autostart", "b_u585i_iot02a", detector
    )
    chip = Chip(deploy.build_image(folder, "b_u585i_iot02a").elf)
    chip.run()
    assert chip.values["ADF1_DFLTCR"] & 1
    hear(chip, images.noise(256 * (SETTLING + 20)))
    lines = [json.loads(line) for line in bytes(chip.sent).split(b"\0")[:-1]]
    assert len(lines) > 5
    assert all(list(line) == ["class", "predicted score"] and 0 <= line["predicted score"] <= 1 for line in lines)
    assert {line["class"] for line in lines} <= {*images.METADATA.class_names, "unknown"}
    assert exchange(chip, "identify")["board"] == "b_u585i_iot02a"
    assert not chip.values["ADF1_DFLTCR"] & 1
    assert chip.errors == []


def test_the_image_builds_without_a_warning():
    assert "warning" not in (images.chip_image().elf.parent.parent / "build_b_u585i_iot02a.log").read_text().lower()


def test_a_benchmark_clears_the_caches_counters_before_the_inference(chip):
    chip.run()
    chip.writes.clear()
    reply = exchange(chip, "benchmark")
    assert [value for name, value in chip.writes if name == "ICACHE_CR"] == [0xF0005, 0x30005]
    assert (reply["cache_hits"], reply["cache_misses"]) == (123456, 789)  # what the model's registers hold
    assert len(reply["nodes"]) == len(images.program().nodes)
    found = exchange(chip, "identify")
    assert found["flash_used"] == pytest.approx(images.chip_image().flash, abs=64)
    assert found["ram_used"] == pytest.approx(images.chip_image().ram, abs=64)


@pytest.mark.parametrize("flag", [None, ("RCC_BDCR", 1)])
def test_the_oscillator_follows_the_crystal_or_runs_free(flag):
    chip = Chip(images.chip_image("AED_MSI_PLL=1").elf, stuck=(flag,) if flag else ())
    chip.run()
    state = exchange(chip, "state")
    assert (state["problems"], state["clock_hz"]) == (1 << 10 if flag else 0, 160_000_000)
    assert chip.values["RCC_CR"] & (1 << 3 | 1 << 6) == (0 if flag else 1 << 3 | 1 << 6)
    exchange(chip, "record", rate=16000)
    source = 4e6 if flag else 122 * 32768
    assert pll3_q(chip, source) == pytest.approx(15.36e6, rel=1e-6)
    n = 80 + (chip.values["RCC_PLL1FRACR"] >> 3) / 8192 * (chip.values["RCC_PLL1CFGR"] >> 4 & 1)
    assert 159.999e6 < source * n / 2 <= 160e6
    assert chip.errors == []
