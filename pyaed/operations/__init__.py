"""Operation modes and chains: calls the services in order and passes on what they make, nothing else."""

from pyaed.operations.benchmark import benchmark
from pyaed.operations.board import verify
from pyaed.operations.chains import OPERATIONS, finish, perform, run_mode
from pyaed.operations.check import check
from pyaed.operations.clips import check_dataset
from pyaed.operations.crossval import crossval
from pyaed.operations.demo import demo
from pyaed.operations.features import write_features
from pyaed.operations.monitor import monitor
from pyaed.operations.on_target import evaluate_on_board
from pyaed.operations.run import Run, start
from pyaed.operations.training import plot_learning_rate

__all__ = [
    "OPERATIONS",
    "Run",
    "benchmark",
    "check",
    "check_dataset",
    "crossval",
    "demo",
    "evaluate_on_board",
    "finish",
    "monitor",
    "perform",
    "plot_learning_rate",
    "run_mode",
    "start",
    "verify",
    "write_features",
]
