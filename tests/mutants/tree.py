"""A copy of the project that is changed, built and tested in place of the working tree."""

import contextlib
import hashlib
import json
import os
import resource
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

#: The build under the sanitizers, which the tests take for the application too.
CHECKED = "application"
#: The builds, and what is built of each; nothing named means everything.
TARGETS = {"host": ("all", "application"), CHECKED: (), "m33": ()}
#: Imported once for all tests: none of it is the project's.
SLOW_IMPORTS = (
    "numpy",
    "tensorflow",
    "hypothesis",
    "sklearn.metrics",
    "librosa",
    "matplotlib.pyplot",
    "pydantic",
    "h5py",
)
#: What puts the copy in the place of an editable installation, in every Python that starts.
_SITE = """import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "ScikitBuildRedirectingFinder"]
"""
_GENERATE = """import shutil, sys
sys.path.insert(0, "tests")
from support import images
shutil.copytree(images.generated(), sys.argv[1], dirs_exist_ok=True)
"""
_MEMORY = 6 << 30  # bytes that a test may take


class Tree:
    """The copy, and its three builds: for this machine, the same under the sanitizers, and for the Cortex-M33.

    Parameters
    ----------
    root : Path
        The project; its files that git doesn't ignore are copied.
    folder : Path
        Gets the copy and the builds.
    """

    def __init__(self, root: Path, folder: Path):
        self.root, self.folder, self.path = root, folder, folder / "tree"
        self._generated = folder / CHECKED / "generated"
        self._log = folder / "last.log"
        self._warm: subprocess.Popen | None = None
        site = folder / "site"
        site.mkdir(parents=True, exist_ok=True)
        (site / "sitecustomize.py").write_text(_SITE)
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{self.path}{os.pathsep}{site}",
            "PYTHONDONTWRITEBYTECODE": "1",  # two changes within a second would share their bytecode
            "PYAED_SHARED": os.environ.get("PYAED_SHARED", str(root.parent / "shared")),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYAED_TEST_BUILD": str(folder),
        }

    def copy(self) -> str:
        """Bring the copy up to date, writing only what differs; return a hash of all its files but this tool's."""
        listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
        names = subprocess.run(listing, cwd=self.root, check=True, capture_output=True, text=True).stdout.split("\0")
        names = sorted(name for name in names if name and (self.root / name).is_file())
        total = hashlib.sha256()
        for name in names:
            content, target = (self.root / name).read_bytes(), self.path / name
            if not name.startswith("tests/mutants/"):
                total.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
            if not target.is_file() or target.read_bytes() != content:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        kept = set(names)
        for path in [p for p in self.path.rglob("*") if p.is_file() and not p.is_symlink()]:
            if str(path.relative_to(self.path)) not in kept:
                path.unlink()
        return total.hexdigest()

    def configure(self) -> None:
        """Set the builds up and build all of them once."""
        python = f"-DPython_EXECUTABLE={sys.executable}"
        self._cmake("host", "-DSKBUILD=ON", "-DAED_BUILD_TESTS=ON", "-DCMAKE_C_FLAGS_RELEASE=-O2", python)
        self.build("host", ("_dsp", "_nn", "_detector"))
        for module in (self.folder / "host").glob("_*.so"):  # _dsp belongs to pyaed/dsp
            link = self.path / "pyaed" / module.name.split(".")[0].lstrip("_") / module.name
            link.unlink(missing_ok=True)
            link.symlink_to(module)
        self._call([sys.executable, "-c", _GENERATE, str(self._generated)], check=True)
        generated = f"-DAED_GENERATED_DIR={self._generated}"
        toolchain = self.path / "cmake" / "arm-none-eabi.cmake"
        self._cmake("host", generated)
        self._cmake(CHECKED, "-DAED_BUILD_TESTS=ON", "-DAED_SANITIZE=ON", "-DCMAKE_C_FLAGS_RELEASE=-O1", generated)
        self._cmake("m33", f"--toolchain={toolchain}", "-DAED_BOARD=mps2_an505", generated)
        for name in TARGETS:
            if not self.build(name):
                raise SystemExit(f"{name} does not build:\n{self._log.read_text()[-3000:]}")

    def _cmake(self, build: str, *options: str) -> None:
        command = ["cmake", "-S", str(self.path), "-B", str(self.folder / build), "-G", "Ninja", "-DAED_WERROR=OFF"]
        self._call([*command, *options], check=True)

    def build(self, name: str, targets: tuple[str, ...] | None = None) -> bool:
        """Build incrementally; tell whether it compiles."""
        targets = TARGETS[name] if targets is None else targets
        return self._call(["ninja", "-j1", "-C", str(self.folder / name), *targets]) == 0

    def objects(self, name: str) -> dict[str, bytes]:
        """Return the hash of every object file of a build."""
        folder = self.folder / name
        files = [p for p in folder.rglob("*") if p.suffix in (".o", ".obj")]
        return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).digest() for p in files}

    def ctest(self, build: str, expression: str, timeout: float) -> bool:
        """Run the C tests that fit a regular expression, from one of the builds; tell whether all pass in time."""
        command = ["ctest", "--test-dir", str(self.folder / build), "--stop-on-failure", "--no-tests=error"]
        return self._call([*command, "-R", expression], timeout) == 0

    def pytest(self, arguments: str, timeout: float) -> bool:
        """Run pytest; tell whether all tests pass, in time and in little memory."""
        return self._pytest(["-x", "-q", "-p", "no:cacheprovider", *shlex.split(arguments)], timeout) == 0

    def _pytest(self, arguments: list[str], timeout: float) -> int:
        if self._warm is None:
            command = [sys.executable, str(Path(__file__).with_name("warm.py")), *SLOW_IMPORTS]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            self._warm = subprocess.Popen(command, cwd=self.path, env=self._environment, text=True, bufsize=1, **pipes)
        server = self._warm
        server.stdin.write(json.dumps([str(self._log), *arguments]) + "\n")
        pid = int(server.stdout.readline())
        try:
            return _wait(pid, timeout, lambda: _line(server.stdout))
        except TimeoutError:
            _end(pid)
            server.stdout.readline()
            return -1
        finally:
            _end(pid)

    def _call(self, command: list[str], timeout: float | None = None, check: bool = False) -> int:
        """Run a command in the copy; its exit code, or -1 when it takes too long or too much memory."""
        with open(self._log, "wb") as output:
            process = subprocess.Popen(
                command, cwd=self.path, env=self._environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                code = _wait(process.pid, timeout, lambda: _ended(process))
            except TimeoutError:
                code = -1
            finally:
                _end(process.pid)
                process.wait()
        if check and code:
            raise SystemExit(
                f"{shlex.join(command)}: exit code {code}\n{self._log.read_text(errors='replace')[-3000:]}"
            )
        return code


def _ended(process: subprocess.Popen) -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(0.5)
    return None


def _line(pipe) -> int | None:
    ready, _, _ = select.select([pipe], [], [], 0.5)
    return int(pipe.readline()) if ready else None


def _wait(pid: int, timeout: float | None, code) -> int:
    """Ask every half second for the exit code; TimeoutError after too long a time, or with too much memory."""
    end = None if timeout is None else time.monotonic() + timeout
    while end is None or time.monotonic() < end:
        found = code()
        if found is not None:
            return found
        with contextlib.suppress(OSError):
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            if pages * resource.getpagesize() > _MEMORY:
                break
    raise TimeoutError


def _end(pid: int) -> None:
    """End a command and all that it started: the session is its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
