"""A finished run handed to the trackers that were asked for."""

from pathlib import Path

from pyaed.operations.run import Run


def track(run: Run, mode: str) -> None:
    """Record a run with MLflow where `mlflow.uri` names a place, and with ClearML where it is configured."""
    from pyaed import tracking

    config = run.config
    uri = config.mlflow.uri if config.mlflow else None
    if uri is None and tracking.clearml_file() is None:
        return
    # Folders of the configuration may lie outside of the run's; of the models only those that it has made itself.
    models = [
        path
        for path in (run.float_model, run.quantized_model)
        if path and path != Path(config.general.model_path or "")
    ]
    written = [*models, run.folder / config.general.logs_dir / "train_metrics.csv"] if run.history else models
    record = tracking.Record(
        project=config.general.project_name,
        name=f"{mode} {run.folder.name}",
        settings={
            "operation_mode": mode,
            **config.model_dump(mode="json", exclude={"operation_mode", "hydra", "mlflow"}),
        },
        folder=run.folder,
        history=run.history,
        metrics=_metrics(run),
        elsewhere=[path for path in written if run.folder.resolve() not in path.resolve().parents],
    )
    if uri is not None:
        tracking.log_mlflow(uri, record)
    tracking.log_clearml(record)


def _metrics(run: Run) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, report in run.reports.items():
        found[f"{name} clip_accuracy"] = report.clip_accuracy.value
        found[f"{name} patch_accuracy"] = report.patch_accuracy.value
        if report.multi_label:
            found[f"{name} mean_average_precision"] = report.mean_average_precision
    if run.quantized_model is not None:
        found["quantized model bytes"] = run.quantized_model.stat().st_size
    if run.image is not None:
        found |= {"image flash bytes": run.image.flash, "image RAM bytes": run.image.ram}
    return found | run.costs
