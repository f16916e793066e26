"""The process that looks through `.h5` files of others before anything else does: HDF5's own code may loop or crash on them.

Started by `pyaed.artefact.h5_process` as a program. Reads from standard input, by turns, how many bytes a file's arrays may
take, how many bytes it has (eight bytes each), and the file; answers each with a line of JSON: the word `refused` or `damaged` and the reason, or nothing.
"""

import io
import json
import signal
import sys
from typing import Any

try:
    import resource
except ImportError:  # Windows: the time limit of the other side is all there is
    resource = None  # type: ignore[assignment]


class Refused(Exception):
    """Something that a model has no use for."""


def limit(seconds: int, memory: int) -> None:
    """Let this process use that many more seconds of a processor, and bytes of address space."""
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def look(content: bytes, max_bytes: int, max_objects: int) -> None:
    """Read everything that is in a file once.

    Raises
    ------
    Refused
        Links and arrays that would read other files of the machine, and more data than is stored or allowed.
    """
    import h5py

    total = count = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        seen = {h5py.h5o.get_info(file.id).addr}
        pending = [file]
        while pending:
            group = pending.pop()
            dict(group.attrs)
            for name in group:
                count += 1
                if count > max_objects:
                    raise Refused(f"more than {max_objects} groups and arrays")
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise Refused(f"{name} is a link to elsewhere, not data")
                item = group[name]
                if isinstance(item, h5py.Group):
                    place = h5py.h5o.get_info(item.id).addr
                    if place not in seen:
                        seen.add(place)
                        pending.append(item)
                elif isinstance(item, h5py.Dataset):
                    total += item.nbytes
                    _look_at_array(item, name, total, max_bytes)


def _look_at_array(item: Any, name: str, total: int, max_bytes: int) -> None:
    if item.external or item.is_virtual:
        raise Refused(f"{name} is not a plain array: its data lies in another file")
    if total > max_bytes:
        raise Refused(f"its arrays take more than {max_bytes} bytes")
    if item.nbytes and not item.id.get_storage_size():
        raise Refused(f"{name} announces {item.nbytes} bytes and stores none")
    dict(item.attrs)
    if item.shape is not None:
        item[()]


def main() -> None:
    max_objects, memory, seconds = map(int, sys.argv[1:])
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # is for the other side, which then closes the input
    source, answers = sys.stdin.buffer, sys.stdout
    while header := source.read(16):
        max_bytes, size = (int.from_bytes(part, "little") for part in (header[:8], header[8:]))
        limit(seconds, memory + 2 * size)
        content = source.read(size)
        said: dict[str, str] = {}
        try:
            look(content, max_bytes, max_objects)
        except Refused as error:
            said = {"refused": str(error)}
        except Exception as error:  # h5py raises anything at all
            said = {"damaged": str(error).strip() or type(error).__name__}
        print(json.dumps(said), file=answers, flush=True)


if __name__ == "__main__":
    del sys.path[0]  # this folder, whose modules have common names
    main()
