"""Where the C sources, CMake files and templates lie: in the clone, or inside the installed wheel."""

from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


def source_root() -> Path:
    """Return the folder that holds ``CMakeLists.txt``, ``dsp_c``, ``nn_c``, ``detector_c``, ``firmware`` and ``cmake``.

    A clone wins over the copy in the wheel, so that an editable install builds what is being edited.
    """
    for root in (_PACKAGE.parent, *(Path(p) / "sources" for p in _package_path())):
        if (root / "CMakeLists.txt").is_file() and (root / "dsp_c").is_dir() and (root / "firmware").is_dir():
            return root
    raise RuntimeError("pyaed's C sources are not installed: reinstall the package")


def c_templates() -> Any:
    """Return the Jinja2 environment of ``firmware/templates``: an undefined name is an error, whitespace stays as written."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(source_root() / "firmware" / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _package_path() -> list[str]:
    import pyaed

    return list(pyaed.__path__)
