"""Fixtures that every room's tests may use."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# The same examples at every run, so that a change is judged by what it changed; HYPOTHESIS=explore draws new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS", "repeatable"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and published models that lies beside the project here and in CI, or a skip."""
    folder = Path(os.environ.get("PYAED_SHARED", ROOT.parent / "shared"))
    if not (folder / "datasets" / "esc10").is_dir():
        pytest.skip(f"needs the shared data folder ({folder}); set PYAED_SHARED to it")
    return folder
