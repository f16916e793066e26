"""How good a model is: decisions, metrics with their uncertainty, confusion matrices, reports and predictions."""

from pyaed.evaluation.decisions import UNKNOWN, Classes, ClipDecisions, clip_decisions
from pyaed.evaluation.events import write_events
from pyaed.evaluation.metrics import (
    Proportion,
    average_precision,
    best_thresholds,
    class_scores,
    confusion_matrix,
    mean_interval,
    wilson_interval,
)
from pyaed.evaluation.page import Page, WrongClip, calibration, write_page
from pyaed.evaluation.predictions import prediction_table, write_predictions_csv, write_predictions_json
from pyaed.evaluation.predictors import (
    board_predictor,
    engine_predictor,
    keras_predictor,
    onnx_predictor,
    predict_patches,
    tflite_predictor,
)
from pyaed.evaluation.report import Report, evaluate
from pyaed.evaluation.windows import show_pictures

__all__ = [
    "UNKNOWN",
    "Classes",
    "ClipDecisions",
    "Page",
    "Proportion",
    "Report",
    "WrongClip",
    "average_precision",
    "best_thresholds",
    "board_predictor",
    "calibration",
    "class_scores",
    "clip_decisions",
    "confusion_matrix",
    "engine_predictor",
    "evaluate",
    "keras_predictor",
    "mean_interval",
    "onnx_predictor",
    "predict_patches",
    "prediction_table",
    "show_pictures",
    "tflite_predictor",
    "wilson_interval",
    "write_events",
    "write_page",
    "write_predictions_csv",
    "write_predictions_json",
]
