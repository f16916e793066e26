"""Write the C source of a cffi extension: generate_cffi.py NAME OUTPUT HEADER...

The declarations are the parts of the headers between the lines ``/* cffi: begin */`` and ``/* cffi: end */``.
"""

import sys
from pathlib import Path

from cffi import FFI


def declarations(header: Path) -> str:
    """Return the marked parts of one header, in order."""
    parts, inside = [], False
    for line in header.read_text().splitlines():
        mark = line.strip()
        if mark == "/* cffi: begin */":
            inside = True
        elif mark == "/* cffi: end */":
            inside = False
        elif inside:
            parts.append(line)
    if inside:
        raise SystemExit(f"{header}: '/* cffi: begin */' without its end")
    return "\n".join(parts)


def main(name: str, output: str, *headers: str) -> None:
    paths = [Path(h) for h in headers]
    ffi = FFI()
    ffi.cdef("\n".join(declarations(p) for p in paths))
    ffi.set_source(name, "\n".join(f'#include "{p.name}"' for p in paths))
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
