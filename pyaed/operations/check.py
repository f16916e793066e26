"""What of an operation can be checked without doing it."""

from pathlib import Path

from pyaed import artefact
from pyaed.boards import check_rate, find_board, find_st_board
from pyaed.config import Config, parts, uses
from pyaed.dsp import FeatureSpec, FrontEnd
from pyaed.operations.prediction import prediction_section
from pyaed.operations.quantization import check_quantizer
from pyaed.operations.run import check_model
from pyaed.operations.training import check_training


def check(config: Config) -> list[str]:
    """Check what the schema alone can't: features, a training but for its data, and that the operation's files are there.

    Returns
    -------
    list of str
        One line for every path that leads nowhere, and for published weights that are not there.

    Raises
    ------
    UserError
        For feature settings that contradict each other, a model that is not of the operation's kind, a board that is not
        known, a quantizer that is not for the model, and what `train` would refuse.
    """
    from pyaed.data.sets import FSD50K, UNUSED_BY_FSD50K

    mode = config.operation_mode
    spec = FeatureSpec.from_sections(config.feature_extraction, config.preprocessing)
    FrontEnd(spec)  # makes the tables
    check_model(config, mode)
    if "deployment" in parts(mode):
        board = find_board(config.deployment.hardware_setup.board, "deployment.hardware_setup.board")
        path = Path(config.general.model_path or "")
        carried = artefact.read(path) if path.is_file() else None  # the model's file may say its rate
        check_rate(board, (carried.features if carried else spec).sample_rate)
    if "benchmarking" in parts(mode):
        find_st_board(config.benchmarking.board, "benchmarking.board")
    if "quantization" in parts(mode):
        own = "best_model.keras" if "training" in parts(mode) else ""  # what is quantized then
        check_quantizer(config, Path(own or config.general.model_path or "model.keras"))
    weights: list[str] = []
    paths: dict[str, str | None] = {"general.model_path": config.general.model_path}
    if "training" in parts(mode) or (mode is None and config.training is not None):
        check_training(config, spec)
        paths |= _resumed(config)
        weights = _weights(config, spec)
    if uses(mode, "training") or uses(mode, "evaluation") or uses(mode, "quantization"):
        unused = UNUSED_BY_FSD50K if config.dataset.name == FSD50K else ()
        paths |= {f"dataset.{k}": v for k, v in config.dataset if k.endswith("_path") and k not in unused}
    if mode == "prediction" and not any(c in prediction_section(config).test_files_path for c in "*?["):
        paths["prediction.test_files_path"] = prediction_section(config).test_files_path
    return [f"{key}: {path}" for key, path in paths.items() if path and not Path(path).exists()] + weights


def _resumed(config: Config) -> dict[str, str | None]:
    from pyaed import training

    given = config.training.resume_training_from if config.training else None
    return {"training.resume_training_from": given and str(training.resumed_file(given))}


def _weights(config: Config, spec: FeatureSpec) -> list[str]:
    from pyaed.models import pretrained, zoo

    model = config.training.model if config.training else None
    file = zoo.missing_weights(model, spec.patch_shape) if model else None
    if file is None:
        return []
    folders = ", ".join(map(str, pretrained.search_path()))
    return [
        f"training.model.pretrained_weights: {file}; looked in {folders} (PYAED_PRETRAINED names folders); from {pretrained.SOURCE}"
    ]
