"""`training.callbacks`: every callback of the installed Keras is made, done by pyaed itself, or refused with the reason."""

import pytest

from pyaed.errors import UserError
from pyaed.models.keras import import_keras
from pyaed.training import callbacks, optimizers, schedules

FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy", "val_clip_accuracy")
#: What a configuration would give, where something has to be given.
NEEDED = {"LearningRateScheduler": {"schedule": "lambda epoch, lr: lr"}}


def make(specs, optimizer="Adam"):
    return callbacks.make(specs, FIGURES, optimizers.make(optimizer))


def test_every_callback_of_keras_has_an_answer():
    space = import_keras().callbacks
    kinds = [
        n for n in dir(space) if isinstance(getattr(space, n), type) and issubclass(getattr(space, n), space.Callback)
    ]
    assert {"EarlyStopping", "ModelCheckpoint", "RemoteMonitor"} < set(kinds)
    for name in set(kinds) - {"Callback", "CallbackList"}:
        if name in callbacks.names():
            made = make({name: NEEDED.get(name)}, {"Adam": {"use_ema": True}})
            assert [type(c).__name__ for c in made] in ([name], ["LambdaCallback"], []), name
        else:
            with pytest.raises(
                UserError, match=rf"training\.callbacks\.{name}: (built in and can't be defined|not possible here)"
            ):
                make({name: None})
    assert set(schedules.SCHEDULES) < set(callbacks.names())


def test_unusual_arguments():
    (stop,) = make({"EarlyStopping": {
        "monitor": "val_clip_accuracy", "patience": "3", "baseline": 0.5, "start_from_epoch": 2, "min_delta": 0.01, "verbose": 1,
    }})  # fmt: skip
    assert (stop.monitor, stop.mode, stop.patience) == ("val_clip_accuracy", "max", 3)
    assert (stop.baseline, stop.start_from_epoch, stop.min_delta) == (0.5, 2, 0.01)
    (plateau,) = make({"ReduceLROnPlateau": {"cooldown": 2, "min_lr": "1e-7", "mode": "auto", "monitor": "loss"}})
    assert (plateau.cooldown, plateau.min_lr, plateau.mode) == (2, 1e-7, "min")


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ({"EarlyStoping": {}}, r"training\.callbacks: unknown callback 'EarlyStoping', expected EarlyStopping.*did you mean 'EarlyStopping'"),
        ({"earlystopping": {}}, "unknown callback 'earlystopping'.*did you mean 'EarlyStopping'"),
        ({"modelcheckpoint": {}}, "unknown callback.*did you mean 'ModelCheckpoint'"),
        ({"lrcosinedecay": {}}, "unknown callback.*did you mean 'LRCosineDecay'"),
        ({"Callback": {}}, "unknown callback 'Callback'"),
        ({"ModelCheckpoint": {"filepath": "x.h5"}}, "ModelCheckpoint: built in.*best_model.keras"),
        ({"CSVLogger": {"filename": "x.csv"}}, "CSVLogger: built in.*train_metrics.csv"),
        ({"TensorBoard": None}, "TensorBoard: built in.*tensorboard --logdir"),
        ({"BackupAndRestore": {"backup_dir": "/tmp"}}, "BackupAndRestore: built in.*resume_training_from"),
        ({"LambdaCallback": {"on_epoch_end": "lambda e, l: 1"}}, "LambdaCallback: not possible here: .*no code"),
        ({"RemoteMonitor": {}}, "RemoteMonitor: not possible here: .*network"),
        ({"EarlyStopping": {"patienc": 3}}, r"training\.callbacks\.EarlyStopping: no argument 'patienc' \(did you mean 'patience'"),
        ({"EarlyStopping": {"patience": 2.5}}, r"EarlyStopping\.patience is 2.5, expected a whole number"),
        ({"EarlyStopping": {"patience": -1}}, "expected 0 or more"),
        ({"EarlyStopping": {"patience": [1]}}, "expected a number"),
        ({"EarlyStopping": {"restore_best_weights": "yes"}}, "restore_best_weights is 'yes', expected True or False"),
        ({"EarlyStopping": {"monitor": 3}}, "monitor is 3, expected text"),
        ({"EarlyStopping": {"monitor": "val_acc"}}, "did you mean 'val_accuracy'"),
        ({"EarlyStopping": {"mode": "maxi"}}, "mode is 'maxi', expected auto, min or max.*did you mean 'max'"),
        ({"EarlyStopping": "patience"}, "EarlyStopping is 'patience', expected arguments"),
        ({"ReduceLROnPlateau": {"factor": 1.5}}, "ReduceLROnPlateau: .*factor"),
        ({"ReduceLROnPlateau": {}, "LRStepDecay": {}}, "ReduceLROnPlateau and LRStepDecay both set the learning rate"),
        ({"LearningRateScheduler": {}}, "schedule is missing"),
        ({"LearningRateScheduler": {"schedule": 3}}, "schedule is 3, expected text"),
        ({"LearningRateScheduler": {"schedul": "x"}}, "did you mean 'schedule'"),
        ({"LearningRateScheduler": {"schedule": "lambda a, b, c: 1"}}, "lambda epoch, lr"),
        ({"SwapEMAWeights": {}}, "SwapEMAWeights: there are no averages to swap; expected use_ema: True"),
    ],
)  # fmt: skip
def test_refused(specs, message):
    with pytest.raises(UserError, match=message):
        make(specs)


def test_a_schedule_of_the_optimizer_and_a_callback_for_the_rate_exclude_each_other():
    schedule = {"SGD": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10}}}}
    make({"EarlyStopping": None}, schedule)
    for name in ("ReduceLROnPlateau", "LRStepDecay", "LearningRateScheduler"):
        with pytest.raises(UserError, match=f"training.optimizer's schedule and {name} both set the learning rate"):
            make({name: NEEDED.get(name)}, schedule)
