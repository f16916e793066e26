"""One run of an operation: its folder, its model and what is passed on."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pyaed import __version__, logs
from pyaed.artefact import ModelMetadata
from pyaed.config import Config, notes, parts
from pyaed.errors import UserError, nearest
from pyaed.files import sweep, write_text
from pyaed.nn.onnx import is_quantized
from pyaed.text import show

if TYPE_CHECKING:
    from pyaed.data import ClipSet
    from pyaed.deploy import Image
    from pyaed.evaluation.report import Report

log = logging.getLogger(__name__)


FLOAT_SUFFIXES = (".keras", ".h5")


QUANTIZED_SUFFIXES = (".tflite",)
#: Float or quantized, as its content says.
ONNX_SUFFIX = ".onnx"
SUFFIXES = (*FLOAT_SUFFIXES, *QUANTIZED_SUFFIXES, ONNX_SUFFIX)


FLOAT, QUANTIZED = "float", "quantized"
_ENDINGS = {FLOAT: (*FLOAT_SUFFIXES, ONNX_SUFFIX), QUANTIZED: (*QUANTIZED_SUFFIXES, ONNX_SUFFIX)}
# The model that is given to an operation, or to a chain that begins with it.
_BEGINS_WITH = {
    "training": (FLOAT,),
    "evaluation": (QUANTIZED, FLOAT),
    "prediction": (QUANTIZED, FLOAT),
    "quantization": (FLOAT,),
    "chain_e": (FLOAT,),
    "benchmarking": (QUANTIZED, FLOAT),
    "deployment": (QUANTIZED,),
}


@dataclass
class Run:
    """One run: its configuration, its folder and the model that is passed from operation to operation.

    Attributes
    ----------
    config : Config
    folder : Path
        Where the run's files go (`hydra.run.dir`).
    float_model, quantized_model : Path or None
        From `general.model_path`, then from the run's own training and quantization.
    image, image_of
        The last image that was built (`pyaed.deploy.Image`), and of which model and board it is.
    reports : dict
        Evaluation reports by name.
    figures : dict
        By model: the rows of what it costs, engine by engine.
    validation : ClipSet or None
        Of the run's training, where it is not the test set too.
    history : list of dict
        One row an epoch of the run's training.
    settings : ModelMetadata or None
        Of the model that was evaluated last.
    costs : dict of str to float
        What a benchmark found, by name and unit.
    echo : callable
        Takes the text of results; notes on the way go to the log.
    said : set of str
        Warnings that are in the log already.
    """

    config: Config
    folder: Path
    float_model: Path | None = None
    quantized_model: Path | None = None
    image: "Image | None" = None
    image_of: tuple[Path, str] | None = None
    reports: dict[str, "Report"] = field(default_factory=dict)
    figures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    validation: "ClipSet | None" = None
    history: list[dict[str, float]] = field(default_factory=list)
    settings: ModelMetadata | None = None
    costs: dict[str, float] = field(default_factory=dict)
    echo: Callable[[str], None] = show
    said: set[str] = field(default_factory=set)

    def built(self) -> "Image":
        """Return the image that was built last."""
        if self.image is None:
            raise RuntimeError("no image has been built")
        return self.image

    def warn(self, text: str) -> None:
        """Say once what was assumed."""
        if text not in self.said:
            self.said.add(text)
            log.warning("%s", text)


def start(config: Config, overrides: Sequence[str] = (), mode: str | None = None) -> Run:
    """Open a run: make its folder, save configuration and overrides in ``.hydra``, find the model it begins with.

    `mode` is what will be done, by default `config.operation_mode`; what it takes no notice of goes to the log.
    """
    folder = Path(config.hydra.run.dir)
    run = Run(config, folder)
    if config.general.model_path:
        path = model_path(config.general.model_path)
        if path.is_dir():
            raise UserError(
                f"general.model_path: {path} is a folder, expected a file ending with "
                f"{', '.join(SUFFIXES)} (a SavedModel folder: load it in Keras and save it as .keras)"
            )
        if not path.is_file():
            siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
            raise UserError(f"general.model_path: model file not found: {path}{nearest(path.name, siblings)}")
        if path.suffix in QUANTIZED_SUFFIXES or (path.suffix == ONNX_SUFFIX and is_quantized(path)):
            run.quantized_model = path
        else:
            run.float_model = path
    for depth in ("", "*", "*/*"):  # a run's folders
        for part in folder.glob(depth) if depth else (folder,):
            sweep(part)
    write_text(folder / ".hydra" / "config.yaml", yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    write_text(folder / ".hydra" / "overrides.yaml", yaml.safe_dump(list(overrides)))
    write_text(folder / ".hydra" / "hydra.yaml", yaml.safe_dump(_hydra(config, overrides, mode), sort_keys=False))
    logs.to_file(folder / "pyaed.log")
    for line in notes(config, mode):
        log.info("note: %s", line)
    return run


def model_path(text: str) -> Path:
    """Return the path of a model file after a look at its ending.

    Raises
    ------
    UserError
        For a file of another kind.
    """
    path = Path(text)
    if path.suffix not in SUFFIXES:
        raise UserError(f"general.model_path: {path} is no model file, expected one of {', '.join(SUFFIXES)}")
    return path


def _hydra(config: Config, overrides: Sequence[str], mode: str | None) -> dict[str, Any]:
    """Return what users look for in ``.hydra/hydra.yaml``: where, what and with which overrides; Hydra's own keys."""
    own = [text for text in overrides if text.lstrip("+~").startswith("hydra.")]
    return {
        "hydra": {
            "run": {"dir": config.hydra.run.dir},
            "mode": "RUN",
            "overrides": {"hydra": own, "task": [text for text in overrides if text not in own]},
            "job": {"name": mode or config.operation_mode, "chdir": False},
            "runtime": {
                "version": f"pyaed {__version__}",
                "cwd": os.getcwd(),
                "output_dir": str(Path(config.hydra.run.dir).resolve()),
            },
        }
    }


def needed(run: Run, *kinds: str) -> Path:
    """Return the run's model of the first of these kinds (`FLOAT`, `QUANTIZED`) that it has."""
    models = {FLOAT: run.float_model, QUANTIZED: run.quantized_model}
    for kind in kinds:
        if (path := models[kind]) is not None:
            return path
    raise _other_kind(run.config.general.model_path, kinds)


def check_model(config: Config, mode: str | None) -> None:
    """Check that `general.model_path` has the ending of a model, and of a kind that the operation begins with.

    Raises
    ------
    UserError
        Also when it is missing and the operation can't do without.
    """
    given = config.general.model_path
    path = model_path(given) if given else None
    if mode is None:
        return
    first = "chain_e" if mode.startswith("chain_e") else parts(mode)[0]
    kinds = _BEGINS_WITH[first]
    if path is None and first == "training":
        return
    if path is None or not any(path.suffix in _ENDINGS[kind] for kind in kinds):
        raise _other_kind(given, kinds)


def _other_kind(given: str | None, kinds: Sequence[str]) -> UserError:
    wanted = " or ".join(f"a {kind} model ({', '.join(_ENDINGS[kind])})" for kind in kinds)
    if not given:
        return UserError(f"general.model_path: missing; this operation needs {wanted}")
    kind = FLOAT if kinds == (QUANTIZED,) else QUANTIZED
    hint = "; pyaed quantize, chain_qb and chain_qd make one of it" if kind == FLOAT else ""
    return UserError(f"general.model_path: {given} is a {kind} model; this operation needs {wanted}{hint}")
