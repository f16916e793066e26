"""The model of the chip is as strict as its manual: what an earlier firmware did, or a careless one would, is an error."""

import pytest
from support import images
from support.u585 import Chip

CLOCK = [("PWR_VOSR", 3 << 16), ("RCC_PLL1CFGR", 0x40001), ("PWR_VOSR", 7 << 16)]
AUDIO = [("RCC_AHB3ENR", 0x80000404), ("RCC_AHB1ENR", 0x80000101)]
PULSE = [("RCC_AHB3RSTR", 1 << 10), ("RCC_AHB3RSTR", 0)]
PLL1 = [("FLASH_ACR", 4), ("RCC_CR", 0x01000035), ("RCC_CFGR1", 3)]

#: what is done -> (writes, what the model says of the last)
CARELESS = {
    "a running channel's RESET": ([*AUDIO, ("DMA_CCR", 1), ("DMA_CCR", 3)], "neither suspended nor off"),
    "a running channel's EN": ([*AUDIO, ("DMA_CCR", 1), ("DMA_CCR", 0)], "EN = 0 is ignored"),
    "a running channel's registers": ([*AUDIO, ("DMA_CCR", 1), ("DMA_CBR1", 512)], "read-only"),
    "flags of the run before": (
        [*AUDIO, ("DMA_CCR", 1), ("DMA_CCR", 5), ("DMA_CCR", 7), ("DMA_CCR", 1)],
        "on with flags of the run before",
    ),
    "no reset pulse": ([*AUDIO, ("ADF1_CKGCR", 0x90023)], "without its reset pulse"),
    "a clock that waits": ([*AUDIO, *PULSE, ("ADF1_CKGCR", 0x90033), ("ADF1_SITFCR", 0x1F11)], "without a running clock"),
    "no clock": ([*AUDIO, *PULSE, ("ADF1_SITFCR", 0x1F11)], "without a running clock"),
    "a running clock's divider": ([*AUDIO, *PULSE, ("ADF1_CKGCR", 0x90023), ("ADF1_CKGCR", 0x40023)], "locked"),
    "a running filter's decimation": (
        [*AUDIO, *PULSE, ("ADF1_CKGCR", 0x90023), ("ADF1_SITFCR", 0x1F11), ("DMA_CCR", 1), ("ADF1_DFLTCR", 3),
         ("ADF1_DFLTCICR", 0x1750)],
        "locked",
    ),
    "no interface": ([*AUDIO, *PULSE, ("ADF1_CKGCR", 0x90023), ("ADF1_DFLTCR", 3)], "before its interface"),
    "the clock stops first": (
        [*AUDIO, *PULSE, ("ADF1_CKGCR", 0x90023), ("ADF1_SITFCR", 0x1F11), ("ADF1_CKGCR", 0x90022)],
        "stopped before the interface",
    ),
    "PLL1 under the system": ([*CLOCK, *PLL1, ("RCC_CR", 0x35)], "while it is the system's clock"),
    "prefetch": ([("FLASH_ACR", 0x104)], "prefetch"),
    "a crystal for nobody": (
        [("PWR_DBPR", 1), ("RCC_BDCR", 1), ("RCC_CR", 0x75), ("RCC_CR", 0x7D)],
        "a crystal that the system doesn't get",
    ),
    "drive of a running crystal": ([("PWR_DBPR", 1), ("RCC_BDCR", 1), ("RCC_BDCR", 0x11)], "drive of a running crystal"),
    "a fraction too late": ([("RCC_PLL3CFGR", 0x20011), ("RCC_PLL3FRACR", 453 << 3)], "when its enable bit rises"),
    "an early refresh": (
        [("IWDG_KR", 0xCCCC), ("IWDG_KR", 0x5555), ("IWDG_PR", 8), ("IWDG_RLR", 936), ("IWDG_KR", 0xAAAA)],
        "before its registers were taken over",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CARELESS)
def test_careless_sequences_are_errors(name):
    chip = Chip(images.chip_image().elf)
    writes, message = CARELESS[name]
    chip.write("RCC_AHB3ENR", 0x80000004)
    for register, value in writes[:-1]:
        chip.write(register, value)
    assert chip.errors == []
    chip.write(*writes[-1])
    assert len(chip.errors) >= 1
    assert message in " ".join(chip.errors)


def test_what_the_chip_ignores_has_no_effect():
    chip = Chip(images.chip_image().elf)
    for register, value in [("RCC_AHB3ENR", 0x80000004), *AUDIO, *CLOCK, *PLL1]:
        chip.write(register, value)
    chip.write("RCC_CR", 0x35)
    assert chip.read("RCC_CR") >> 24 & 1
    chip.write("DMA_CCR", 0x5F01)
    for value in (0x5F00, 0x5F02, 0x5F03):
        chip.write("DMA_CCR", value)
        assert chip.read("DMA_CCR") & 1
    chip.write("DMA_CCR", 0x5F05)
    assert chip.read("DMA_CSR") >> 13 & 1
    chip.write("DMA_CCR", 0x5F07)
    assert not chip.read("DMA_CCR") & 7


def test_a_broken_channel_wants_its_reset():
    chip = Chip(images.chip_image().elf)
    chip.run()
    for register, value in AUDIO:
        chip.write(register, value)
    chip.write("DMA_CCR", 0x5F01)
    chip.break_dma(10)
    chip.write("DMA_CFCR", 0x7F00)
    chip.write("DMA_CCR", 0x5F01)
    assert "without RESET" in " ".join(chip.errors)
    assert chip.read("IWDG_SR") == 0
    chip.write("IWDG_PR", 7)
    assert chip.read("IWDG_SR") == 3
