"""What an image's functions execute: instructions by class, taken branches, lines that the instruction cache doesn't hold.

The functions of the real image run in Unicorn (a Cortex-M33 without time); basic blocks and the reads from flash are
recorded, the blocks are looked up in the image's disassembly, and the cache is played afterwards.
"""

import re
import struct
import subprocess
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from pyaed.errors import UserError

#: Classes of `Mix.counts`, in this order, and the mnemonics (condition and width cut off) that belong to each.
CLASSES = (
    ("float divide, root", r"v(div|sqrt)\b"),
    ("float multiply-add", r"v(f?n?ml[as]|fm[as]|fnm[as])"),
    ("float compare", r"v(cmpe?|mrs|msr)\b"),
    ("float load", r"v(ldr|ldm\w*|pop)\b"),
    ("float store", r"v(str|stm\w*|push)\b"),
    ("float", r"v"),
    ("load", r"(ldr\w*|ldm\w*|pop)\b"),
    ("store", r"(str\w*|stm\w*|push)\b"),
    ("divide", r"[us]div\b"),
    ("multiply", r"(mul|mla|mls|[us]mu[ls]l|[us]ml[as]|smm|sma|smu|smls|umaal|usad)"),
    ("branch", r"(b|bl|bx|blx|cbn?z|tb[bh])\b"),
    ("other", r""),
)
NAMES = (*(name for name, _ in CLASSES), "narrow", "extra words", "taken branches", "cache misses")

CACHE_LINE, CACHE_SETS = 16, 256  # 8 KB, two ways
RETURN, OBSERVER, SCRATCH = 0x70000000, 0x70000010, 0x70010000
CONDITIONS = r"(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)"
CHUNK = 1 << 21
MARK = 0xFFFFFFFF


@dataclass(frozen=True)
class Mix:
    """What one piece of work executed.

    Attributes
    ----------
    counts : ndarray of float64, shape (len(NAMES),)
        Executed instructions of each class; of these 'narrow' ones are 'other' in 16 bits; 'extra words' are moved by
        multiple loads and stores beyond the first; taken branches; lines missed in an 8 KB two-way instruction cache.
    """

    counts: np.ndarray

    @property
    def instructions(self) -> int:
        return int(self.counts[: len(CLASSES)].sum())

    def __getitem__(self, name: str) -> float:
        return float(self.counts[NAMES.index(name)])

    def __add__(self, other: "Mix") -> "Mix":
        return Mix(self.counts + other.counts)


def classify(mnemonic: str, operands: str) -> tuple[int, int]:
    """Return the index in `CLASSES` and the words that a load or store moves beyond its first."""
    name = mnemonic.split(".")[0].lower()
    if name.startswith("it"):
        return len(CLASSES) - 1, 0
    bare = re.sub(rf"{CONDITIONS}$", "", name)
    for candidate in (name, bare):
        for index, (_, pattern) in enumerate(CLASSES[:-1]):
            if re.match(pattern, candidate):
                return index, _words(candidate, operands) - 1
    return len(CLASSES) - 1, 0


def _words(name: str, operands: str) -> int:
    if name in ("ldrd", "strd"):
        return 2
    if "{" not in operands:
        return 1
    words = 0
    for part in operands[operands.index("{") + 1 : operands.index("}")].split(","):
        ends = re.findall(r"[rsd](\d+)", part)
        words += int(ends[1]) - int(ends[0]) + 1 if len(ends) == 2 else 1
    return words


def disassemble(elf: Path, objdump: str = "arm-none-eabi-objdump") -> dict[int, tuple[int, np.ndarray]]:
    """Return address -> (size, what it adds to a Mix) of every instruction of an image."""
    try:
        text = subprocess.run([objdump, "-d", str(elf)], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"cannot disassemble {elf}: {error}") from error
    table = {}
    for match in re.finditer(r"^\s*([0-9a-f]+):\t([0-9a-f ]+)\t(\S+)\t?([^\n;@]*)", text, re.MULTILINE):
        size = len(match[2].replace(" ", "")) // 2
        index, extra = classify(match[3], match[4])
        row = np.zeros(len(NAMES))
        row[index] = 1
        row[NAMES.index("extra words")] = extra
        row[NAMES.index("narrow")] = size == 2 and index == len(CLASSES) - 1
        table[int(match[1], 16)] = (size, row)
    return table


class Tracer:
    """An image whose functions can be called one by one.

    Parameters
    ----------
    elf : path
        Any image of pyaed's firmware; it is loaded, not started.

    Raises
    ------
    UserError
        Without the package unicorn.
    """

    def __init__(self, elf: str | Path):
        try:
            import unicorn
            from unicorn import arm_const
        except ImportError as error:
            raise UserError("the estimate needs the package unicorn: pip install 'pyaed[estimate]'") from error
        self._arm = arm_const
        self._table = disassemble(Path(elf))
        self._events = array("I")
        self._block_sizes: dict[int, int] = {}
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm_const.UC_CPU_ARM_CORTEX_M33)
        with Path(elf).open("rb") as file:
            image = ELFFile(file)
            table = image.get_section_by_name(".symtab")
            if not isinstance(table, SymbolTableSection):
                raise UserError(
                    f"{elf}: an image without symbols; the estimate needs the one that `pyaed deploy` builds"
                )
            symbols = [s for s in table.iter_symbols() if s.name]
            self.symbols = {s.name: s["st_value"] for s in symbols}
            self.sizes = {s.name: s["st_size"] for s in symbols}
            code = self.symbols["main"] & ~0xFFFFFF
            uc.mem_map(code, 4 << 20)
            uc.mem_map(self.symbols["aed_stack_start"] & ~0xFFFFF, 4 << 20)
            for segment in image.iter_segments("PT_LOAD"):
                for address in {segment["p_paddr"], segment["p_vaddr"]} if segment["p_filesz"] else ():
                    uc.mem_write(address, segment.data())
        uc.mem_map(SCRATCH, 1 << 20)
        uc.mem_map(RETURN, 0x1000)
        uc.mem_write(RETURN, b"\x70\x47" * 16)  # bx lr
        uc.mem_map(0xE000E000, 0x1000)
        uc.mem_write(0xE000ED88, struct.pack("<I", 0x00F00000))  # CPACR: the FPU
        flash = {"begin": code, "end": code + (4 << 20) - 1}
        append, block_sizes = self._events.append, self._block_sizes

        def block(_: object, address: int, size: int, __: object) -> None:
            append(address)
            block_sizes[address] = size

        def read(_: object, __: object, address: int, *___: object) -> None:
            append(address & ~15 | 1)

        uc.hook_add(unicorn.UC_HOOK_BLOCK, block, **flash)
        uc.hook_add(unicorn.UC_HOOK_MEM_READ, read, **flash)
        uc.hook_add(unicorn.UC_HOOK_BLOCK, lambda *_: append(MARK), begin=OBSERVER, end=OBSERVER)

    def call(self, name: str, *arguments: int) -> list[Mix]:
        """Call a function of the image with integer arguments; return the mix before each call of `OBSERVER`, and the rest."""
        uc, arm = self._uc, self._arm
        del self._events[:]
        stack = self.symbols["aed_stack_end"] - 64
        uc.mem_write(stack, struct.pack(f"<{max(0, len(arguments) - 4)}I", *arguments[4:]))
        uc.reg_write(arm.UC_ARM_REG_SP, stack)
        for i, value in enumerate(arguments[:4]):
            uc.reg_write(getattr(arm, f"UC_ARM_REG_R{i}"), value)
        uc.reg_write(arm.UC_ARM_REG_LR, RETURN | 1)
        uc.emu_start(self.symbols[name] | 1, RETURN)
        if uc.reg_read(arm.UC_ARM_REG_R0):
            raise RuntimeError(f"{name} failed with {uc.reg_read(arm.UC_ARM_REG_R0):#x}")
        return self._mixes()

    def write(self, address: int, data: bytes) -> None:
        """Write memory of the image."""
        self._uc.mem_write(address, data)

    def _mixes(self) -> list[Mix]:
        starts = np.array(sorted(self._block_sizes), np.int64)
        sizes = np.array([self._block_sizes[a] for a in starts], np.int64)
        rows = np.array([self._block(a, n) for a, n in zip(starts.tolist(), sizes.tolist())])
        first = starts // CACHE_LINE
        lines = (starts + sizes - 1) // CACHE_LINE - first + 1
        events = np.frombuffer(self._events, np.uint32)
        n = int(np.count_nonzero(events == MARK)) + 1
        counts = np.zeros((n, len(NAMES)))
        cache = np.zeros(0, np.int64)
        before, pieces = -1, 0  # where the block before ended, marks so far
        for at in range(0, len(events), CHUNK):
            part = events[at : at + CHUNK].astype(np.int64)
            piece, kept = pieces + np.cumsum(part == MARK), part != MARK
            pieces = int(piece[-1])
            part, piece = part[kept], piece[kept]
            data = (part & 1).astype(bool)
            index = np.searchsorted(starts, part[~data])
            executed = np.bincount(piece[~data] * len(starts) + index, minlength=n * len(starts))
            counts += executed.reshape(n, -1) @ rows
            ends = np.concatenate([[before], (starts + sizes)[index]])
            taken = part[~data] != ends[:-1]
            before = int(ends[-1])
            counts[:, NAMES.index("taken branches")] += np.bincount(piece[~data][taken], minlength=n)
            touched, repeats = part // CACHE_LINE, np.ones(len(part), np.int64)
            touched[~data], repeats[~data] = first[index], lines[index]
            offset = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
            missed, cache = _misses(np.repeat(touched, repeats) + offset, cache)
            counts[:, NAMES.index("cache misses")] += np.bincount(np.repeat(piece, repeats)[missed], minlength=n)
        return [Mix(row) for row in counts]

    def _block(self, address: int, size: int) -> np.ndarray:
        total, at = np.zeros(len(NAMES)), address
        while at < address + size:
            step, row = self._table[at]
            total += row
            at += step
        return total


def _misses(lines: np.ndarray, cache: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Play a two-way cache that drops what was not used for longest.

    Parameters
    ----------
    lines : ndarray of int, shape (n,)
        Numbers of lines in the order of their use.
    cache : ndarray of int
        What it holds at the start, oldest first.

    Returns
    -------
    missed : ndarray of bool, shape (n,)
    cache : ndarray of int
        What it holds afterwards.
    """
    every = np.concatenate([cache, lines])
    order = np.argsort(every % CACHE_SETS, kind="stable")
    ordered = every[order]
    # Within a set, after runs of one line are cut to one use, the two lines held are the last two used.
    changed = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    uses = ordered[changed]
    hit = np.zeros(len(uses), bool)
    hit[2:] = uses[2:] == uses[:-2]
    missed = np.zeros(len(every), bool)
    missed[order[changed]] = ~hit
    sets = uses % CACHE_SETS
    held = np.ones(len(uses), bool)
    held[:-2] = sets[:-2] != sets[2:]
    return missed[len(cache) :], uses[held]


def inference(tracer: Tracer) -> list[Mix]:
    """Return the mix of each node of the image's model, for one inference."""
    engine, given, answer = SCRATCH, SCRATCH + 0x1000, SCRATCH + 0xC0000
    arena = (tracer.symbols["arena"], tracer.sizes["arena"])
    tracer.call("aed_engine_load", engine, tracer.symbols["aed_image_model"], *arena)
    return tracer.call("aed_engine_profile", engine, given, answer, OBSERVER | 1, 0)[:-1]


def frame(tracer: Tracer, window_length: int, hop_length: int) -> Mix:
    """Return the mix of one hop of PCM (noise) through the image's streaming front end, in its steady state."""
    consumed, stream, pcm = SCRATCH, SCRATCH + 16, SCRATCH + 0x1000
    memory = (tracer.symbols["classifier_memory"], tracer.sizes["classifier_memory"])
    tracer.call("aed_stream_init", stream, tracer.symbols["aed_features"], *memory)
    random = np.random.default_rng(0)
    found = Mix(np.zeros(len(NAMES)))
    for n in (window_length, hop_length):  # from the first frame on, every hop completes one
        tracer.write(pcm, random.integers(-32768, 32768, n).astype("<i2").tobytes())
        [found] = tracer.call("aed_stream_push", stream, pcm, n, consumed)
    return found
