"""What a model artefact carries about itself: feature settings, class order, thresholds, provenance.

Float models keep it as the zip member ``pyaed.json`` (``.keras``) or the root attribute ``pyaed`` (``.h5``), quantized
ones as the metadata buffer ``pyaed`` (``.tflite``). The format is JSON, version 1.
"""

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from pyaed.dsp.spec import FeatureSpec
from pyaed.errors import UserError
from pyaed.files import atomic_path

FORMAT_VERSION = 1
NAME = "pyaed"
ZIP_MEMBER = f"{NAME}.json"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class ModelMetadata:
    """Everything that a later stage must know about an earlier one.

    Attributes
    ----------
    features : FeatureSpec
    preprocessing : dict
        The section ``preprocessing`` as plain values.
    class_names : tuple of str
        In the order of the model's outputs.
    multi_label : bool
        Sigmoid outputs, any number of which may be on.
    garbage_class : str or None
        The class that means "something else".
    unknown_class_threshold : float
        A best score below it means "unknown"; 0 switches it off.
    class_thresholds : tuple of float or None
        With several labels: what each class's score has to reach; None means 0.5.
    provenance : dict
        How the model came about: project, date, versions, data.
    """

    features: FeatureSpec
    preprocessing: dict
    class_names: tuple[str, ...]
    multi_label: bool = False
    garbage_class: str | None = None
    unknown_class_threshold: float = 0.0
    provenance: dict = field(default_factory=dict)
    class_thresholds: tuple[float, ...] | None = None
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Return the JSON text, with the hash of the features beside their settings."""
        return json.dumps(
            {
                "format_version": self.format_version,
                "features": self.features.to_dict(),
                "features_hash": self.features.hash,
                "preprocessing": self.preprocessing,
                "class_names": list(self.class_names),
                "multi_label": self.multi_label,
                "garbage_class": self.garbage_class,
                "unknown_class_threshold": self.unknown_class_threshold,
                "provenance": self.provenance,
                **({} if self.class_thresholds is None else {"class_thresholds": list(self.class_thresholds)}),
            },
            indent=1,
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str, source: str = "model metadata") -> "ModelMetadata":
        """Read :meth:`to_json`'s text; anything wrong in it is a `UserError` that begins with `source`."""
        try:
            tree = json.loads(text)
        except ValueError as error:
            raise UserError(f"{source}: the pyaed metadata is not JSON ({error})") from None
        if not isinstance(tree, dict):
            raise UserError(f"{source}: the pyaed metadata is a {type(tree).__name__}, expected an object")
        version = tree.get("format_version")
        if version != FORMAT_VERSION:
            raise UserError(
                f"{source}: pyaed metadata of version {version!r}, this pyaed reads version {FORMAT_VERSION}"
            )
        for key, kinds in {
            "features": dict,
            "features_hash": str,
            "preprocessing": dict,
            "class_names": list,
            "multi_label": bool,
            "garbage_class": (str, type(None)),
            "unknown_class_threshold": (int, float),
            "provenance": dict,
        }.items():
            if not isinstance(tree.get(key, ...), kinds):
                raise UserError(f"{source}: pyaed metadata: '{key}' is missing or has the wrong type")
        names = tree["class_names"]
        if not names or not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
            raise UserError(f"{source}: pyaed metadata: 'class_names' must be different texts")
        thresholds = tree.get("class_thresholds")
        if thresholds is not None and not (
            isinstance(thresholds, list)
            and len(thresholds) == len(names)
            and all(isinstance(t, (int, float)) and not isinstance(t, bool) and 0 <= t <= 1 for t in thresholds)
        ):
            raise UserError(
                f"{source}: pyaed metadata: 'class_thresholds' must be one number from 0 to 1 for every class"
            )
        features = FeatureSpec.from_dict(tree["features"])
        if features.hash != tree["features_hash"]:
            raise UserError(
                f"{source}: its features have the hash {tree['features_hash'][:12]}..., this pyaed makes "
                f"{features.hash[:12]}... from the same settings: the tables differ, so the bits would"
            )
        return cls(
            features=features,
            preprocessing=tree["preprocessing"],
            class_names=tuple(names),
            multi_label=tree["multi_label"],
            garbage_class=tree["garbage_class"],
            unknown_class_threshold=float(tree["unknown_class_threshold"]),
            provenance=tree["provenance"],
            class_thresholds=None if thresholds is None else tuple(float(t) for t in thresholds),
            format_version=version,
        )


def read(path: str | os.PathLike) -> ModelMetadata | None:
    """Return the metadata of a ``.keras``, ``.h5`` or ``.tflite`` model, or None where it has none.

    Raises
    ------
    UserError
        File not found, of another kind, broken, or with metadata that can't be used.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"model file not found: {path}")
    readers = {".keras": _read_keras, ".h5": _read_h5, ".tflite": _read_tflite}
    if path.suffix not in readers:
        raise UserError(f"{path}: not a model file, expected one of {', '.join(readers)}")
    text = readers[path.suffix](path)
    return None if text is None else ModelMetadata.from_json(text, str(path))


def write_keras(path: str | os.PathLike, metadata: ModelMetadata) -> None:
    """Add the metadata to a saved ``.keras`` or ``.h5`` file; replaces what stands there."""
    path = Path(path)
    text = metadata.to_json()
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path, "r+") as file:
            file.attrs[NAME] = text
        return
    with atomic_path(path) as temporary, zipfile.ZipFile(path) as source, zipfile.ZipFile(temporary, "w") as target:
        for item in source.infolist():
            if item.filename != ZIP_MEMBER:
                target.writestr(item, source.read(item))
        target.writestr(ZIP_MEMBER, text)


def _read_keras(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as file:
            if ZIP_MEMBER not in file.namelist():
                return None
            if file.getinfo(ZIP_MEMBER).file_size > MAX_BYTES:
                raise UserError(f"{path}: pyaed metadata of more than {MAX_BYTES} bytes")
            return file.read(ZIP_MEMBER).decode("utf-8", "replace")
    except zipfile.BadZipFile:
        raise UserError(f"{path}: not a Keras 3 model file (no zip archive)") from None


def _read_h5(path: Path) -> str | None:
    try:
        import h5py
    except ImportError:
        raise UserError(f"{path}: reading .h5 models needs the extra 'train': pip install 'pyaed[train]'") from None
    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get(NAME)
    except OSError:
        raise UserError(f"{path}: not an HDF5 file") from None
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def _read_tflite(path: Path) -> str | None:
    from pyaed.nn import read_metadata_buffer

    data = read_metadata_buffer(path)
    return None if data is None else bytes(data).decode("utf-8", "replace")
