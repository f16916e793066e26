"""Public data sets over the network, through soundata's tables: what to load from where, with which checksum.

soundata says what belongs to a data set and checks the unpacked files; the loading is done here, because a load of gigabytes
has to go on where it was cut off.
"""

import hashlib
import http.client
import logging
import os
import shutil
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path
from typing import Any

from pyaed.data.archives import open_archive
from pyaed.errors import UserError, nearest
from pyaed.files import cannot_write
from pyaed.progress import progress

log = logging.getLogger(__name__)

BLOCK = 1 << 20
MAX_DOWNLOAD = 64 << 30  # bytes of one file; the largest part of FSD50K has 3 GiB
TRIES, PAUSE_S, TIMEOUT_S = 5, 1.0, 60.0

#: What to write into the configuration, {folder} being the data set's.
LINES = {
    "esc50": """\
dataset:
  name: esc50            # esc10: its ten classes
  training_audio_path: {folder}/audio
  training_csv_path: {folder}/meta/esc50.csv
  # clips of one recording share a fold; test_folds: [5] keeps a whole fold for the test
""",
    "fsd50k": """\
dataset:
  name: fsd50k
dataset_specific:
  fsd50k:
    csv_folder: {folder}/FSD50K.ground_truth
    dev_audio_folder: {folder}/FSD50K.dev_audio
    eval_audio_folder: {folder}/FSD50K.eval_audio
    audioset_ontology_path:   # ontology.json of https://github.com/audioset/ontology
    only_keep_monolabel: True
""",
}


def fetch(name: str, folder: str | os.PathLike[str]) -> str:
    """Load, check and unpack a data set; what is there already is not loaded again.

    An interrupted load goes on where it was. Archives stay in ``<folder>/.archives`` until every file that soundata lists
    is there with the right checksum; then the list itself stays, so that a later call needs no network.

    Parameters
    ----------
    name : {'esc50', 'fsd50k'}
    folder : path
        Where the set shall lie.

    Returns
    -------
    str
        The lines of a configuration that use it.

    Raises
    ------
    UserError
        Unknown set, soundata not installed, no network, a wrong checksum, or files that are missing in the end.
    """
    if name not in LINES:
        raise UserError(f"'{name}' can't be fetched; expected one of {', '.join(LINES)}{nearest(name, LINES)}")
    try:
        import soundata
    except ImportError as error:
        raise UserError(
            f"fetching data sets needs soundata, which does not load ({error}): pip install 'pyaed[fetch]'"
        ) from error
    folder = Path(folder).expanduser()
    archives = folder / ".archives"
    try:
        archives.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(archives, error) from error
    dataset = soundata.initialize(name, data_home=str(folder))
    index = dataset._index_data.remote
    if index is not None:
        dataset.index_path = str(_load(index, archives))
    if any(_wrong(dataset)):
        for remotes in dataset.remotes.values():
            parts = remotes if isinstance(remotes, list) else [remotes]
            loaded = [_load(part, archives) for part in parts]
            _unpack(loaded, folder, parts[0].unpack_directories or [])
        missing, damaged = _wrong(dataset)
        if missing or damaged:
            raise UserError(
                f"{folder}: {len(missing)} files of {name} are missing and {len(damaged)} have a wrong checksum, such as "
                f"{(missing + damaged)[0]}; the archives in {archives} don't hold what soundata {soundata.__version__} lists"
            )
    for path in archives.iterdir():
        if index is None or path.name != index.filename:
            path.unlink()
    return LINES[name].format(folder=folder)


def _wrong(dataset: Any) -> tuple[list[str], list[str]]:
    """Return the files of soundata's index that are missing, and those with a wrong checksum."""
    log.info("%s: checking the files in %s", dataset.name, dataset.data_home)
    missing, wrong = (
        [str(path) for group in part.values() for paths in group.values() for path in paths]
        for part in dataset.validate(verbose=False)
    )
    return missing, wrong


def _load(remote: Any, folder: Path) -> Path:
    """Load one file, going on where an earlier try stopped, and check its MD5."""
    path = folder / Path(remote.filename).name
    if path.is_file():
        return path
    part = path.with_name(f"{path.name}.part")
    log.info("loading %s", remote.url)
    for attempt in range(TRIES):
        try:
            _append(remote.url, part, path.name)
            break
        except urllib.error.HTTPError as error:
            if error.code == 416:  # nothing is left to load
                break
            raise UserError(f"{remote.url}: the server answers {error.code} {error.reason}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if attempt == TRIES - 1 or not part.is_file():
                kept = f" {part.stat().st_size / 2**20:.1f} MiB are kept." if part.is_file() else ""
                raise UserError(
                    f"{remote.url} can't be loaded ({reason}).{kept} The same command goes on when the network is back; or put "
                    f"the file into {folder} yourself"
                ) from error
            log.info("%s: %s; going on", path.name, reason)
            time.sleep(PAUSE_S)
    digest = hashlib.md5(usedforsecurity=False)
    with open(part, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    if digest.hexdigest() != remote.checksum:
        size = part.stat().st_size
        part.unlink()
        raise UserError(
            f"{remote.url}: the {size} bytes that were loaded have the MD5 {digest.hexdigest()}, expected {remote.checksum}; "
            "the file was removed. Either the load was damaged (try again) or the file has changed since soundata listed it"
        )
    os.replace(part, path)
    return path


def _append(url: str, part: Path, label: str) -> None:
    """Append what is left of a file to `part`."""
    start = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        if start and answer.status != 206:  # a server that can't go on sends all of it
            start = 0
        length = answer.headers.get("Content-Length")
        blocks = iter(lambda: answer.read(BLOCK), b"")
        with open(part, "r+b" if start else "wb") as file:
            file.seek(start)
            for block in progress(blocks, length and -(-int(length) // BLOCK), label, "MiB"):
                if file.tell() > MAX_DOWNLOAD:
                    raise UserError(f"{url}: more than {MAX_DOWNLOAD >> 30} GiB, which no file of these sets has")
                try:
                    file.write(block)
                except OSError as error:
                    raise cannot_write(part, error) from error
            loaded = file.tell() - start
    if length is not None and loaded < int(length):
        raise OSError(f"cut off after {loaded} of {length} bytes")


def _unpack(parts: list[Path], folder: Path, unwrap: list[str]) -> None:
    """Unpack an archive, of one part or of several, into `folder`; of the folders `unwrap` their content."""
    name = parts[0].with_suffix("").name
    log.info("unpacking %s", name)
    try:
        archive, members = open_archive(parts)
        with archive:
            for member in progress(members, label="unpacking", unit="files"):
                archive.extract(member, folder)  # names that lead out of the folder are made harmless by zipfile
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError) as error:
        raise UserError(f"cannot unpack {name} into {folder}: {error}") from error
    for name in unwrap:
        shutil.copytree(folder / name, folder, dirs_exist_ok=True, copy_function=os.replace)
        shutil.rmtree(folder / name)
