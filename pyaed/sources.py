"""Where the C sources, CMake files and templates lie: in the clone, or inside the installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def source_root() -> Path:
    """Return the folder that holds ``CMakeLists.txt``, ``dsp_c``, ``nn_c``, ``detector_c``, ``firmware`` and ``cmake``.

    A clone wins over the copy in the wheel, so that an editable install builds what is being edited.
    """
    for root in (_PACKAGE.parent, *(Path(p) / "sources" for p in _package_path())):
        if (root / "CMakeLists.txt").is_file() and (root / "dsp_c").is_dir() and (root / "firmware").is_dir():
            return root
    raise RuntimeError("pyaed's C sources are not installed: reinstall the package")


def _package_path() -> list[str]:
    import pyaed

    return list(pyaed.__path__)
