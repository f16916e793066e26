"""A small model of the STM32U585 for Unicorn: the chip's real image runs on it, every register access is checked.

It has the ready flags, USART1, the microphone's filter and its DMA channel, faults and interrupts. It has no timing, but for
what waits: every look at a register takes 100 cycles. A write to a register that is not in `REGISTERS`, or that sets a bit
which does not exist there, is an error, and so is a step out of order (`_rules`). What the chip ignores, the model
ignores and calls an error. Numbers like 17.4.4 are sections of the reference manual RM0456. Flash can't be written.
"""

import struct
from collections import deque
from pathlib import Path

from elftools.elf.elffile import ELFFile
from unicorn import (
    UC_ARCH_ARM,
    UC_ERR_INSN_INVALID,
    UC_HOOK_CODE,
    UC_HOOK_INTR,
    UC_HOOK_MEM_INVALID,
    UC_MODE_MCLASS,
    UC_MODE_THUMB,
    UC_PROT_EXEC,
    UC_PROT_READ,
    Uc,
    UcError,
)
from unicorn import arm_const as arm

RCC, PWR, ADF, DMA = 0x46020C00, 0x46020800, 0x46024000, 0x40020350
GPIO = {"A": 0x42020000, "C": 0x42020800, "E": 0x42021000, "H": 0x42021C00}
ENABLES_1, ENABLES_2, ENABLES_3 = 1 << 31 | 1 << 8, 3 << 30, 1 << 31  # clocks of SRAM and flash, on after reset

#: name -> (address, bits that exist, value after reset)
REGISTERS = {
    "RCC_CR": (RCC, 0x3F0334FF, 0x35),
    "RCC_ICSCR1": (RCC + 0x08, 0xFF800000, 0x44000000),
    "RCC_CFGR1": (RCC + 0x1C, 0xF, 0),
    "RCC_CFGR2": (RCC + 0x20, 0x77F, 0),
    "RCC_CFGR3": (RCC + 0x24, 0x70, 0),
    "RCC_PLL1CFGR": (RCC + 0x28, 0x7FF1F, 0),
    "RCC_PLL3CFGR": (RCC + 0x30, 0x70F1F, 0),
    "RCC_PLL1DIVR": (RCC + 0x34, 0x7F7FFFFF, 0x01010280),
    "RCC_PLL1FRACR": (RCC + 0x38, 0xFFF8, 0),
    "RCC_PLL3DIVR": (RCC + 0x44, 0x7F7FFFFF, 0x01010280),
    "RCC_PLL3FRACR": (RCC + 0x48, 0xFFF8, 0),
    "RCC_AHB3RSTR": (RCC + 0x6C, 1 << 10, 0),
    "RCC_AHB1ENR": (RCC + 0x88, ENABLES_1 | 1 | 1 << 3, ENABLES_1),
    "RCC_AHB2ENR1": (RCC + 0x8C, ENABLES_2 | 0x1FF, ENABLES_2),
    "RCC_AHB3ENR": (RCC + 0x94, ENABLES_3 | 1 << 2 | 1 << 10, ENABLES_3),
    "RCC_APB2ENR": (RCC + 0xA4, 1 << 14, 0),
    "RCC_CCIPR1": (RCC + 0xE0, 3, 0),
    "RCC_CCIPR3": (RCC + 0xE8, 7 << 16, 0),
    "RCC_BDCR": (RCC + 0xF0, 0x99, 0),
    "RCC_CSR": (RCC + 0xF4, 0x7F << 25 | 1 << 23 | 0xFF00, 0x4400 | 1 << 26),
    "PWR_CR3": (PWR + 0x08, 2, 0),
    "PWR_VOSR": (PWR + 0x0C, 0x7C000, 1 << 15),
    "PWR_DBPR": (PWR + 0x28, 1, 0),
    "PWR_SVMSR": (PWR + 0x3C, 0, 0),
    "FLASH_ACR": (0x40022000, 0x10F, 0),
    "ICACHE_CR": (0x40030400, 0xF0007, 0x4),
    "ICACHE_SR": (0x40030404, 0, 0),
    "ICACHE_HMONR": (0x40030410, 0, 123456),
    "ICACHE_MMONR": (0x40030414, 0, 789),
    "USART1_CR1": (0x40013800, 0xFFFFFFFF, 0),
    "USART1_CR2": (0x40013804, 0xFFFFFFFF, 0),
    "USART1_CR3": (0x40013808, 0xFF803FFF, 0),
    "USART1_BRR": (0x4001380C, 0xFFFF, 0),
    "USART1_ISR": (0x4001381C, 0, 0),
    "USART1_ICR": (0x40013820, 0xA5F, 0),
    "USART1_RDR": (0x40013824, 0, 0),
    "USART1_TDR": (0x40013828, 0x1FF, 0),
    "USART1_PRESC": (0x4001382C, 0xF, 0),
    "IWDG_KR": (0x40003000, 0xFFFF, 0),
    "IWDG_PR": (0x40003004, 0xF, 0),
    "IWDG_RLR": (0x40003008, 0xFFF, 0xFFF),
    "IWDG_SR": (0x4000300C, 0, 0),
    "DBGMCU_IDCODE": (0xE0044000, 0, 0x30016482),
    "DBGMCU_APB1FZR1": (0xE0044008, 0x1800, 0),
    "ADF1_GCR": (ADF, 1, 0),
    "ADF1_CKGCR": (ADF + 0x04, 0x7F0FF177, 0),
    "ADF1_SITFCR": (ADF + 0x80, 0x1F37, 0),
    "ADF1_BSMXCR": (ADF + 0x84, 0x1F, 0),
    "ADF1_DFLTCR": (ADF + 0x88, 0x0FF0F177, 0),
    "ADF1_DFLTCICR": (ADF + 0x8C, 0x03F1FF73, 0),
    "ADF1_DFLTRSFR": (ADF + 0x90, 0x391, 0),
    "ADF1_DLYCR": (ADF + 0xA4, 0x7F, 0),
    "ADF1_DFLTISR": (ADF + 0xB0, 0xE0B, 0),
    "DMA_CLBAR": (DMA, 0xFFFF0000, 0),
    "DMA_CFCR": (DMA + 0x0C, 0x7F00, 0),
    "DMA_CSR": (DMA + 0x10, 0, 1),
    "DMA_CCR": (DMA + 0x14, 0x00C37F07, 0),
    "DMA_CTR1": (DMA + 0x40, 0x400B580B, 0),
    "DMA_CTR2": (DMA + 0x44, 0xC000CE7F, 0),
    "DMA_CBR1": (DMA + 0x48, 0xFFFF, 0),
    "DMA_CSAR": (DMA + 0x4C, 0xFFFFFFFF, 0),
    "DMA_CDAR": (DMA + 0x50, 0xFFFFFFFF, 0),
    "DMA_CLLR": (DMA + 0x7C, 0xF801FFFC, 0),
    "SYST_CTRL": (0xE000E010, 0x7, 0),
    "SYST_LOAD": (0xE000E014, 0xFFFFFF, 0),
    "SYST_VAL": (0xE000E018, 0xFFFFFF, 0),
    "NVIC_ISER1": (0xE000E104, 0xFFFFFFFF, 0),
    "NVIC_ICER1": (0xE000E184, 0xFFFFFFFF, 0),
    "NVIC_ICPR1": (0xE000E284, 0xFFFFFFFF, 0),
    "NVIC_IPR8": (0xE000E420, 0xF0F0F0F0, 0),
    "NVIC_IPR15": (0xE000E43C, 0xF0F0F0F0, 0),
    "SCB_VTOR": (0xE000ED08, 0xFFFFFF80, 0),
    "SCB_AIRCR": (0xE000ED0C, 0xFFFF0704, 0),
    "SCB_SHCSR": (0xE000ED24, 0xF0000, 0),
    "SCB_CFSR": (0xE000ED28, 0xFFFFFFFF, 0),
    "SCB_HFSR": (0xE000ED2C, 0xFFFFFFFF, 0),
    "SCB_MMFAR": (0xE000ED34, 0, 0),
    "SCB_BFAR": (0xE000ED38, 0, 0),
    "CPACR": (0xE000ED88, 0x00F0FFFF, 0),
    "DEMCR": (0xE000EDFC, 1 << 24, 0),
    "DWT_CTRL": (0xE0001000, 1, 0x40000000),
    "DWT_CYCCNT": (0xE0001004, 0, 0),
}
for _port, _base in GPIO.items():
    # After reset all pins are analog, but A13 to A15: the debugger's.
    _moder, _pupdr = (0xABFFFFFF, 0x64000000) if _port == "A" else (0xFFFFFFFF, 0)
    REGISTERS |= {
        f"GPIO{_port}_MODER": (_base, 0xFFFFFFFF, _moder),
        f"GPIO{_port}_PUPDR": (_base + 0x0C, 0xFFFFFFFF, _pupdr),
        f"GPIO{_port}_IDR": (_base + 0x10, 0, 0),
        f"GPIO{_port}_BSRR": (_base + 0x18, 0xFFFFFFFF, 0),
        f"GPIO{_port}_AFRH": (_base + 0x24, 0xFFFFFFFF, 0),
    }
NAMES = {address: name for name, (address, _, _) in REGISTERS.items()}

#: Ready flags: (register, bit) follows (register, bit).
READY = {
    ("RCC_CR", 2): ("RCC_CR", 0),
    ("RCC_CR", 25): ("RCC_CR", 24),
    ("RCC_CR", 29): ("RCC_CR", 28),
    ("RCC_BDCR", 1): ("RCC_BDCR", 0),
    ("RCC_BDCR", 11): ("RCC_BDCR", 7),
    ("PWR_VOSR", 14): ("PWR_VOSR", 18),
    ("PWR_VOSR", 15): ("PWR_VOSR", 17),
    ("PWR_SVMSR", 1): ("PWR_CR3", 1),
    ("PWR_SVMSR", 15): ("PWR_VOSR", 17),
    ("RCC_CFGR1", 2): ("RCC_CFGR1", 0),
    ("RCC_CFGR1", 3): ("RCC_CFGR1", 1),
    ("USART1_ISR", 21): ("USART1_CR1", 3),
    ("USART1_ISR", 22): ("USART1_CR1", 2),
    ("USART1_ISR", 6): ("USART1_CR1", 3),
    ("USART1_ISR", 7): ("USART1_CR1", 3),
    ("ADF1_CKGCR", 31): ("ADF1_CKGCR", 0),
    ("ADF1_SITFCR", 31): ("ADF1_SITFCR", 0),
    ("ADF1_DFLTCR", 31): ("ADF1_DFLTCR", 0),
}
LOOK = 100  # cycles
WATCHDOG_UPDATE = 33 * 160_000  # cycles until a watchdog's registers are taken over, at most (61.4.1)
DMA_SUSPENDED, DMA_FATAL = 1 << 13, 7 << 10
ADF_FIELDS = {  # a part's registers, which are locked while it is active (40.4.13); bits that are free
    "ADF1_CKGCR": ("ADF1_CKGCR", 1 << 31 | 1),
    "ADF1_SITFCR": ("ADF1_SITFCR", 1 << 31 | 1),
    "ADF1_DFLTCR": ("ADF1_DFLTCR", 1 << 31 | 1),
    "ADF1_BSMXCR": ("ADF1_DFLTCR", 0),
    "ADF1_DFLTCICR": ("ADF1_DFLTCR", 0x3F << 20),
    "ADF1_DFLTRSFR": ("ADF1_DFLTCR", 0),
}
UNIQUE_ID = (0x00340021, 0x3331510D, 0x39383236)
USART1_IRQ, DMA_IRQ, SYSTICK = 16 + 61, 16 + 35, 15
FIFO = 8  # bytes of the UART's
RETURN = 0x70000000  # where interrupt handlers return to
FAULTS = {"memory": 4, "bus": 5, "usage": 6}


class Chip:
    """The chip with one image in its flash.

    Parameters
    ----------
    elf : path
    stuck : tuple of (register, bit)
        Flags that keep their value of reset.

    Attributes
    ----------
    errors : list of str
        What the image may not do and did.
    writes : list of (name, value)
    sent : bytearray
        What the UART has sent.
    was_reset : bool
        Set when the image asked for a reset.
    """

    def __init__(self, elf: Path, stuck: tuple = ()):
        self.errors: list[str] = []
        self.sent = bytearray()
        self.stuck = set(stuck)
        self.received: deque = deque()
        self.uc = uc = Uc(UC_ARCH_ARM, UC_MODE_THUMB | UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M33)
        uc.mem_map(0x08000000, 2 << 20, UC_PROT_READ | UC_PROT_EXEC)
        uc.mem_map(0x20000000, 768 << 10)
        uc.mem_map(0x0BFA0000, 0x1000, UC_PROT_READ)
        uc.mem_map(RETURN, 0x1000)
        uc.mem_write(0x0BFA0700, struct.pack("<3I", *UNIQUE_ID))
        for base, size in ((0x40000000, 0x10000000), (0xE0000000, 0x100000)):
            uc.mmio_map(base, size, self._read, base, self._write, base)
        uc.hook_add(UC_HOOK_MEM_INVALID, self._invalid)
        uc.hook_add(UC_HOOK_INTR, self._interrupt)
        with Path(elf).open("rb") as file:
            image = ELFFile(file)
            for segment in image.iter_segments("PT_LOAD"):
                if segment["p_filesz"]:
                    uc.mem_write(segment["p_paddr"], segment.data())
            self.symbols = {s.name: s["st_value"] for s in image.get_section_by_name(".symtab").iter_symbols()}
        # Where the image sleeps, the model stops.
        idle = self.symbols["aed_board_idle"] & ~1
        self.sleep = idle + bytes(uc.mem_read(idle, 64)).index(b"\x30\xbf")
        uc.mem_write(self.sleep, b"\x00\xbf")
        uc.hook_add(UC_HOOK_CODE, self._asleep, begin=self.sleep + 2, end=self.sleep + 2)
        self.vectors = struct.unpack("<142I", uc.mem_read(0x08000000, 568))
        self.reset(power_on=True)

    def reset(self, power_on: bool = False) -> None:
        """Start over; RAM keeps its contents unless the power came back."""
        self.values = {name: value for name, (_, _, value) in REGISTERS.items()}
        if not power_on:
            self.values["RCC_CSR"] = 0x4400 | 1 << 28
        else:
            self.uc.mem_write(0x20000000, bytes(range(1, 129)) * (768 << 3))
        self.writes: list[tuple[str, int]] = []
        self.was_reset = False
        self._fault = None
        self._cycles = 0
        self._ticks = self._tick_start = 0
        self._watchdog_busy = 0  # cycles at which its registers will have been taken over
        self._dma_broken = self._adf_was_reset = False
        for register in (arm.UC_ARM_REG_PRIMASK, arm.UC_ARM_REG_IPSR):
            self.uc.reg_write(register, 0)
        self.uc.reg_write(arm.UC_ARM_REG_SP, self.vectors[0])
        self.pc = self.vectors[1]

    # --- registers ---------------------------------------------------------------------------------------------------

    def _bit(self, name: str, bit: int) -> int:
        return self.values[name] >> bit & 1

    def _read(self, uc, offset: int, size: int, base: int) -> int:
        name = NAMES.get(base + offset)
        if name is None or size != 4:
            self.errors.append(f"read of {size} bytes at {base + offset:#x}")
            return 0
        value = self.values[name]
        self._cycles += LOOK
        for (register, bit), source in READY.items():
            if register == name and (register, bit) not in self.stuck:
                value = value & ~(1 << bit) | self._bit(*source) << bit
        if name == "USART1_ISR" and self.received:
            value |= 1 << 5
        elif name == "USART1_RDR" and self.received:
            value = self.received.popleft()
        elif name == "DWT_CYCCNT" and self._bit("DEMCR", 24) and self._bit("DWT_CTRL", 0):
            value = 0 if (name, 0) in self.stuck else self._cycles & 0xFFFFFFFF
        elif name == "SYST_VAL":  # a tick that is due has not come before its handler has run
            value = max(self.values["SYST_LOAD"] - self._since_tick(), 0)
        elif name == "ADF1_DFLTCR":
            value &= ~1  # DFLTEN can only be written (40.8.5)
        elif name == "ICACHE_SR" and (name, 0) in self.stuck:
            value = 1
        elif name == "IWDG_SR" and ((name, 0) in self.stuck or self._cycles < self._watchdog_busy):
            value = 3
        return value

    def _write(self, uc, offset: int, size: int, value: int, base: int) -> None:
        name = NAMES.get(base + offset)
        if name is None or size != 4:
            self.errors.append(f"write of {value:#x} ({size} bytes) to {base + offset:#x}")
            return
        before, exists = self.values[name], REGISTERS[name][1]
        # Ready flags come back in a read-modify-write and change nothing.
        flags = sum(1 << bit for register, bit in READY if register == name)
        if value & ~(exists | flags | before):
            self.errors.append(f"{name} = {value:#x}: sets a bit that does not exist")
        self.writes.append((name, value))
        self._rules(name, before, value)
        if name == "RCC_CR" and self._bit("RCC_CFGR1", 1):
            value |= before & 1 << 24  # PLL1 as the system's clock stays on (11.8.1)
        self.values[name] = value & ~flags | before & flags
        if name == "USART1_TDR":
            self.sent.append(value & 0xFF)
        elif name == "NVIC_ISER1":  # sets, never clears
            self.values[name] = before | value
        elif name == "USART1_ICR":
            self.values["USART1_ISR"] &= ~value
        elif name in ("ADF1_DFLTISR", "RCC_CSR"):  # cleared by writing 1, or by RMVF
            clear = value if name == "ADF1_DFLTISR" else (0xFE << 24 | 1 << 23) * (value >> 23 & 1)
            self.values[name] = before & ~clear
        elif name == "DMA_CFCR":
            self.values["DMA_CSR"] &= ~value
        elif name == "SYST_VAL":
            self._tick_start = self._cycles - self._ticks * (self.values["SYST_LOAD"] + 1)
        elif name == "NVIC_ICER1":
            self.values["NVIC_ISER1"] &= ~value
        elif name == "RCC_AHB3RSTR" and value & 1 << 10:
            self._adf_was_reset = True
            self.values |= {n: REGISTERS[n][2] for n in REGISTERS if n.startswith("ADF1_")}
        elif name in ("IWDG_PR", "IWDG_RLR"):
            self._watchdog_busy = self._cycles + WATCHDOG_UPDATE
        elif name == "DMA_CCR":
            self.values[name] = self._channel(before, value)
        elif name == "SCB_AIRCR" and value & 4:
            self.was_reset = True
            uc.emu_stop()

    def _channel(self, before: int, value: int) -> int:
        """What a write to the DMA channel's CCR leaves there (17.4.3, 17.4.4, 17.8.9)."""
        v = self.values
        if value & 4 and before & 1 and ("DMA_CSR", 13) not in self.stuck:
            v["DMA_CSR"] |= DMA_SUSPENDED
        rests = not before & 1 or v["DMA_CSR"] & DMA_SUSPENDED
        if value & 2 and rests:
            self._dma_broken = False
            return value & ~7
        if before & 1:
            return value & ~2 | 1
        return value & ~6

    def _rules(self, name: str, before: int, value: int) -> None:
        """Order, and bits that must stay."""
        v = self.values
        rose = value & ~before
        fell_or_rose = value ^ before
        ready = {flag for flag in READY if self._bit(*READY[flag]) and flag not in self.stuck}
        rules = [
            (name == "RCC_CR" and rose & 1 << 24, ("PWR_VOSR", 14) in ready, "PLL1 on before the booster is ready"),
            (
                name == "RCC_CR" and before & ~value & 1 << 24,
                not self._bit("RCC_CFGR1", 1),
                "PLL1 switched off while it is the system's clock (11.8.1)",
            ),
            (name == "RCC_CFGR1", ("RCC_CR", 2) in ready, "switched without an oscillator to fall back on"),
            (
                name == "PWR_VOSR" and rose & 1 << 18,
                ("PWR_SVMSR", 15) in ready,
                "booster on before the supply is there",
            ),
            (
                name == "RCC_CR" and rose & 1 << 3,
                ("RCC_BDCR", 11) in ready,
                "MSI follows a crystal that the system doesn't get: LSESYSEN (11.4.7)",
            ),
            (name == "RCC_BDCR" and fell_or_rose & 3 << 3, ("RCC_BDCR", 1) not in ready, "drive of a running crystal"),
            (
                name in ("RCC_PLL1FRACR", "RCC_PLL3FRACR") and value,
                not v.get(name[:8] + "CFGR", 0) & 1 << 4,
                "a fraction is taken over when its enable bit rises (11.8.9)",
            ),
            (
                name == "FLASH_ACR" and value & 15 >= 4,
                not value & 1 << 8,
                "prefetch with four wait states can hang a Stop mode (ES0499 2.2.26)",
            ),
            (
                name == "IWDG_KR" and value == 0xAAAA and self._watchdog_busy,
                self._cycles >= self._watchdog_busy or ("IWDG_SR", 0) in self.stuck,
                "refreshed before its registers were taken over (61.4)",
            ),
            (
                name == "DMA_CCR" and value & 2,
                not before & 1 or v["DMA_CSR"] & DMA_SUSPENDED or value & 4,
                "RESET of a channel that is neither suspended nor off does nothing (17.4.4)",
            ),
            (
                name == "DMA_CCR" and before & 1 and not value & 1,
                value & 2 and v["DMA_CSR"] & DMA_SUSPENDED,
                "EN = 0 is ignored (17.8.9)",
            ),
            (name == "DMA_CCR" and rose & 1, not self._dma_broken, "on again after an error without RESET (17.4.16)"),
            (name == "DMA_CCR" and rose & 1, not v["DMA_CSR"] & 0x7F00, "on with flags of the run before (17.7)"),
            (
                name.startswith("DMA_C") and name[5:] in ("TR1", "TR2", "BR1", "SAR", "DAR", "LLR", "LBAR"),
                not self._bit("DMA_CCR", 0),
                "a running channel's register is read-only (17.8.9)",
            ),
            (
                name in ADF_FIELDS and fell_or_rose & ~ADF_FIELDS.get(name, ("", 0))[1],
                name not in ADF_FIELDS or not self._bit(ADF_FIELDS[name][0], 0),
                "locked while its part is active (40.4.13)",
            ),
            (name == "ADF1_CKGCR" and rose & 1, self._adf_was_reset, "ADF1 without its reset pulse (40.7.2)"),
            (
                name == "ADF1_CKGCR" and before & ~value & 1,
                not self._bit("ADF1_SITFCR", 0),
                "the clock stopped before the interface (40.4.13)",
            ),
            (
                name == "ADF1_SITFCR" and rose & 1,
                ("ADF1_CKGCR", 31) in ready and not self._bit("ADF1_CKGCR", 4),
                "the interface on without a running clock (40.4.3)",
            ),
            (name == "ADF1_DFLTCR" and rose & 1, ("ADF1_SITFCR", 31) in ready, "the filter on before its interface"),
            (name == "ADF1_DFLTCR" and rose & 1, self._bit("DMA_CCR", 0), "the filter on before its DMA channel"),
            (name == "PWR_VOSR" and rose & 1 << 18, ("PWR_VOSR", 15) in ready, "booster on before the voltage range"),
            (
                name == "PWR_VOSR" and rose & 1 << 18,
                v["RCC_PLL1CFGR"] & 3 == 1,
                "booster on before its clock is chosen",
            ),
            (name == "RCC_BDCR", v["PWR_DBPR"] & 1, "the crystal's register is protected"),
            (name == "RCC_BDCR" and fell_or_rose & 3 << 3, not self._bit("RCC_BDCR", 0), "crystal changed while on"),
            (name == "RCC_CR" and fell_or_rose & 1 << 6, not self._bit("RCC_CR", 3), "MSI chosen while it follows"),
            (name == "RCC_CR" and rose & 1 << 3, ("RCC_BDCR", 1) in ready, "MSI follows a crystal that isn't ready"),
            (name == "RCC_CR" and rose & 1 << 3, self._bit("RCC_CR", 6), "MSIK follows, not MSIS"),
            (name == "RCC_CR" and rose & 1 << 3, not self._bit("RCC_CR", 24), "MSI changed under a running PLL"),
            (name == "RCC_PLL1CFGR", not self._bit("PWR_VOSR", 18), "the booster's clock changed while it runs"),
            (name in ("RCC_PLL1CFGR", "RCC_PLL1DIVR"), not self._bit("RCC_CR", 24), "PLL1 changed while it runs"),
            (name in ("RCC_PLL3CFGR", "RCC_PLL3DIVR"), not self._bit("RCC_CR", 28), "PLL3 changed while it runs"),
            (name == "RCC_CFGR1" and rose & 3, ("RCC_CR", 25) in ready, "switched to a PLL that isn't ready"),
            (name == "RCC_CFGR1" and rose & 3, v["FLASH_ACR"] & 15 >= 4, "switched before the wait states"),
            (
                name == "ICACHE_CR" and fell_or_rose & 4,
                not self._bit("ICACHE_CR", 0),
                "ways changed while the cache is on",
            ),
            (
                name == "USART1_CR1" and fell_or_rose & 1 << 29,
                not self._bit("USART1_CR1", 0),
                "FIFOEN changed while on",
            ),
            (name == "USART1_BRR", not self._bit("USART1_CR1", 0), "baud rate changed while on"),
            (name == "GPIOA_MODER" and fell_or_rose, v["GPIOA_AFRH"] & 0xFF0 == 0x770, "GPIOA: mode before function"),
            (name == "GPIOA_MODER", not fell_or_rose >> 26, "a debugger's pin (A13 to A15) changed"),
            (name == "GPIOA_AFRH", not fell_or_rose >> 20, "a debugger's pin (A13 to A15) changed"),
            (name == "GPIOE_MODER" and fell_or_rose, v["GPIOE_AFRH"] & 0xFF0 == 0x330, "GPIOE: mode before function"),
            (name == "RCC_AHB1ENR", not ENABLES_1 & ~value, "clock of SRAM or flash switched off"),
            (name == "RCC_AHB2ENR1", not ENABLES_2 & ~value, "clock of SRAM switched off"),
            (name == "RCC_AHB3ENR", not ENABLES_3 & ~value, "clock of SRAM switched off"),
            (name == "RCC_CSR", not fell_or_rose & 0xFF00, "ranges of the oscillator changed"),
            (name.startswith("USART1"), self._bit("RCC_APB2ENR", 14), "USART1 touched without its clock"),
            (name.startswith("ADF1"), self._bit("RCC_AHB3ENR", 10), "ADF1 touched without its clock"),
            (name.startswith("DMA"), self._bit("RCC_AHB1ENR", 0), "GPDMA1 touched without its clock"),
            (name.startswith("PWR"), self._bit("RCC_AHB3ENR", 2), "PWR touched without its clock"),
            (name in ("IWDG_PR", "IWDG_RLR"), ("IWDG_KR", 0x5555) in self.writes, "watchdog written while locked"),
            (
                name.startswith("ADF1_DFLT") and name[9:] in ("CICR", "RSFR"),
                not self._bit("ADF1_DFLTCR", 0),
                "filter changed while on",
            ),
        ]
        self.errors += [f"{name} = {value:#x}: {text}" for applies, holds, text in rules if applies and not holds]

    # --- running -----------------------------------------------------------------------------------------------------

    def _invalid(self, uc, access, address, size, value, data) -> bool:
        self._fault = ("bus", 1 << 9 | 1 << 15, address)
        uc.emu_stop()
        return False

    def _interrupt(self, uc, number, data) -> None:
        self._fault = ("usage", 1 << 20 if number == 20 else 1 << 16, 0)
        uc.emu_stop()

    def _asleep(self, uc, address, size, data) -> None:
        uc.emu_stop()

    def _push_frame(self) -> None:
        registers = [arm.UC_ARM_REG_R0, arm.UC_ARM_REG_R1, arm.UC_ARM_REG_R2, arm.UC_ARM_REG_R3]
        registers += [arm.UC_ARM_REG_R12, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC, arm.UC_ARM_REG_XPSR]
        sp = (self.uc.reg_read(arm.UC_ARM_REG_SP) - 32) & ~7
        self.uc.mem_write(sp, struct.pack("<8I", *(self.uc.reg_read(r) for r in registers)))
        self.uc.reg_write(arm.UC_ARM_REG_SP, sp)

    def _go(self, until: int = 0, count: int = 0) -> None:
        """Run until `until`, a wfi, a reset or the end of `count`; enter the fault handler when there was a fault."""
        while True:
            self._fault = None
            try:
                self.uc.emu_start(self.pc | 1, until, timeout=20_000_000, count=count)
            except UcError as error:
                if error.errno == UC_ERR_INSN_INVALID:
                    self._fault = ("usage", 1 << 16, 0)
                elif self._fault is None:
                    raise AssertionError(f"{error} at {self.uc.reg_read(arm.UC_ARM_REG_PC):#x}") from error
            self.pc = self.uc.reg_read(arm.UC_ARM_REG_PC)
            if self._fault is None or self.was_reset:
                return
            kind, cfsr, address = self._fault
            self._push_frame()
            self.values["SCB_CFSR"] |= cfsr
            self.values["SCB_BFAR"] = address
            enabled = self.values["SCB_SHCSR"] >> {"memory": 16, "bus": 17, "usage": 18}[kind] & 1
            exception = FAULTS[kind] if enabled else 3
            self.uc.reg_write(arm.UC_ARM_REG_IPSR, exception)
            self.pc = self.vectors[exception]

    def interrupt(self, number: int) -> None:
        """Run the handler of an exception number (16 + interrupt) and return."""
        if self.uc.reg_read(arm.UC_ARM_REG_PRIMASK) & 1:  # asleep; the next instruction lets interrupts in
            assert self.uc.mem_read(self.pc, 2) == b"\x62\xb6"
            self.uc.reg_write(arm.UC_ARM_REG_PRIMASK, 0)
            self.pc += 2
        self.uc.reg_write(arm.UC_ARM_REG_PC, self.pc)
        context, pc = self.uc.context_save(), self.pc
        if number == SYSTICK:
            self._ticks += 1
            self._cycles += max(-self._since_tick(), 0)
        self._push_frame()
        self.uc.reg_write(arm.UC_ARM_REG_LR, RETURN | 1)
        self.uc.reg_write(arm.UC_ARM_REG_IPSR, number)
        self.pc = self.vectors[number]
        self._go(RETURN)
        if not self.was_reset:
            assert self.pc == RETURN, f"handler of exception {number} stopped at {self.pc:#x}"
            self.uc.context_restore(context)
            self.pc = pc

    def run(self) -> None:
        """Run until the image sleeps or resets."""
        self._go()
        if not self.was_reset:
            self._tick()

    def receive(self, data: bytes, piece: int = FIFO) -> None:
        """Let bytes arrive, a FIFO at a time, and run until the image sleeps again."""
        for at in range(0, len(data), piece):
            self.received.extend(data[at : at + piece])
            assert self._bit("USART1_CR1", 5), "the receive interrupt is off"
            assert self.values["NVIC_ISER1"] >> 29 & 1, "the interrupt is not enabled"
            self.interrupt(USART1_IRQ)
        self.run()

    def hear(self, half: bytes) -> None:
        """Let the microphone's DMA channel fill the next half of its buffer and raise its interrupt."""
        self._tick()
        v = self.values
        assert v["ADF1_DFLTCR"] & 0x31 == 1, "the filter is off, or waits for a trigger"
        assert v["DMA_CCR"] & 1, "the DMA channel is off"
        assert self.values["NVIC_ISER1"] >> 3 & 1, "the interrupt is not enabled"
        if v["DMA_CBR1"] == 0:  # the first act: fetch the node
            node = v["DMA_CLBAR"] | v["DMA_CLLR"] & 0xFFFC
            names = ("DMA_CTR1", "DMA_CTR2", "DMA_CBR1", "DMA_CSAR", "DMA_CDAR", "DMA_CLLR")
            v |= dict(zip(names, struct.unpack("<6I", self.uc.mem_read(node, 24))))
            self._half = 0
        size = v["DMA_CBR1"] // 2
        assert len(half) == size
        self.uc.mem_write(v["DMA_CDAR"] + self._half * size, half)
        v["DMA_CSR"] |= 1 << (8 if self._half else 9)
        self._half ^= 1
        self.interrupt(DMA_IRQ)

    def microseconds(self) -> float:
        """Time since the start, as the image's own clock has it."""
        load = self.values["SYST_LOAD"] + 1
        return (self._ticks * load + min(self._since_tick(), load - 1)) / 160

    def let_pass(self, seconds: float) -> None:
        """Let time go by: ticks, and nothing else."""
        self._cycles += round(seconds * 160_000_000)
        self._tick()

    def _since_tick(self) -> int:
        return self._cycles - self._ticks * (self.values["SYST_LOAD"] + 1) - self._tick_start

    def _tick(self) -> None:
        """Run the tick's handler as often as its counter has passed zero."""
        while self.values["SYST_CTRL"] == 7 and self._since_tick() > self.values["SYST_LOAD"]:
            self.interrupt(SYSTICK)

    def write(self, name: str, value: int) -> None:
        """Write a register as an image would."""
        self._write(self.uc, REGISTERS[name][0], 4, value, 0)

    def read(self, name: str) -> int:
        """Read a register as an image would."""
        return self._read(self.uc, REGISTERS[name][0], 4, 0)

    def break_dma(self, flag: int) -> None:
        """Let the microphone's DMA channel meet an error, 10 DTEF, 11 ULEF or 12 USEF (17.4.16): it is off then."""
        self.values["DMA_CCR"] &= ~1
        self.values["DMA_CSR"] |= 1 << flag
        self._dma_broken = True
        self.interrupt(DMA_IRQ)

    def poke(self, symbol: str, code: bytes) -> None:
        """Replace the first instructions of a function."""
        self.uc.mem_write(self.symbols[symbol] & ~1, code)
        self.uc.ctl_remove_cache(self.symbols[symbol] & ~1, (self.symbols[symbol] & ~1) + len(code))
