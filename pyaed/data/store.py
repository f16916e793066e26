"""Patches in a temporary file, so that memory doesn't grow with the data set."""

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pyaed.errors import UserError


class PatchStore:
    """Arrays of one shape, appended one after the other and read back by slice or by index, as from one array.

    The file has no name where the system allows that, so nothing is left behind however the process ends; it is read
    with plain reads and not mapped, so that it never counts as the process's memory. Reading is safe from several threads.

    Parameters
    ----------
    item_shape : sequence of int
        Shape of one patch; the values are float32.
    folder : Path
        Where the file lies: a disk, as /tmp may be memory. A folder that can't be written is replaced by the system's.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, item_shape: Sequence[int], folder: Path):
        self.item_shape = tuple(int(n) for n in item_shape)
        self._item_bytes = int(np.prod(self.item_shape)) * self.dtype.itemsize
        self._n = 0
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, prefix="patches.", buffering=0)  # noqa: SIM115
        except OSError:
            self._file = tempfile.TemporaryFile(prefix="patches.", buffering=0)  # noqa: SIM115
        self._folder = folder

    def append(self, patches: npt.NDArray[np.float32]) -> None:
        """Add patches, shape (n, *item_shape), at the end."""
        if patches.shape[1:] != self.item_shape:
            raise ValueError(f"patches of shape {patches.shape[1:]}, expected {self.item_shape}")
        data = np.ascontiguousarray(patches, dtype=self.dtype).data.cast("B") if len(patches) else memoryview(b"")
        with self._lock:
            self._file.seek(self._n * self._item_bytes)
            try:
                while data:
                    data = data[self._file.write(data) :]
            except OSError as error:
                raise UserError(
                    f"cannot write the features of the set to {self._folder}: {error.strerror or error} (so far "
                    f"{self._n * self._item_bytes / 2**30:.1f} GiB; PYAED_CACHE names another folder)"
                ) from error
            self._n += len(patches)

    def __len__(self) -> int:
        return self._n

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._n, *self.item_shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __getitem__(
        self, rows: slice | Sequence[int] | npt.NDArray[np.integer[Any] | np.bool_]
    ) -> npt.NDArray[np.float32]:
        """Read the patches of a slice or of an array of indices (or of switches) into memory."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(self._n)
            if step == 1:
                out = np.empty((max(0, stop - start), *self.item_shape), self.dtype)
                self._read(start, out)
                return out
            rows = range(start, stop, step)
        index = np.asarray(rows)
        index = np.flatnonzero(index) if index.dtype == bool else index.astype(np.int64)
        if len(index) and not (-self._n <= index.min() and index.max() < self._n):
            raise IndexError(f"patch {index.min()} or {index.max()} of {self._n}")
        out = np.empty((len(index), *self.item_shape), self.dtype)
        for i, row in enumerate(index % max(1, self._n)):
            self._read(int(row), out[i : i + 1])
        return out

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, start: int, out: npt.NDArray[np.float32]) -> None:
        data = out.data.cast("B") if out.size else memoryview(b"")
        with self._lock:
            self._file.seek(start * self._item_bytes)
            while data:
                n = self._file.readinto(data)
                if not n:
                    raise OSError("the temporary file of the features was cut off")
                data = data[n:]


#: Patches float32 (n_patches, n_features, patch_length): on disk, of which a slice is read, or in memory.
Patches = PatchStore | npt.NDArray[np.float32]
