"""How good a model is: decisions, metrics with their uncertainty, confusion matrices, reports and predictions."""

from pyaed.evaluation.decisions import UNKNOWN, ClipDecisions, clip_decisions
from pyaed.evaluation.metrics import Proportion, class_scores, confusion_matrix, wilson_interval
from pyaed.evaluation.predictions import prediction_table, write_predictions_csv
from pyaed.evaluation.predictors import (
    board_predictor,
    engine_predictor,
    keras_predictor,
    predict_patches,
    tflite_predictor,
)
from pyaed.evaluation.report import Report, evaluate

__all__ = [
    "UNKNOWN",
    "ClipDecisions",
    "Proportion",
    "Report",
    "board_predictor",
    "class_scores",
    "clip_decisions",
    "confusion_matrix",
    "engine_predictor",
    "evaluate",
    "keras_predictor",
    "predict_patches",
    "prediction_table",
    "tflite_predictor",
    "wilson_interval",
    "write_predictions_csv",
]
