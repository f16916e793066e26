"""Commands, options and exit codes, nothing else. What a command needs is imported when it runs."""

import io
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from pyaed import __version__, logs
from pyaed.errors import UserError, shorten
from pyaed.text import printable, show

if TYPE_CHECKING:
    from pyaed.operations import Run

USER_ERROR = 2
NOT_EQUAL = 1
READER_GONE = 141  # as the shell counts an end by SIGPIPE


class _ReaderGone(Exception):
    """Nobody reads what the command prints, as behind ``| head -1``."""


class _Group(click.Group):
    """Lists commands in the order of the work, and hints at misspelt ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from pyaed.errors import nearest

        if args and args[0] not in self.commands and not args[0].startswith("-"):
            ctx.fail(f"no such command '{args[0]}'{nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            result: object = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:  # click would end with 1, which is a check's answer
            raise _ReaderGone from error
        return result


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pyaed")
@click.option("-v", "--verbose", is_flag=True, help="Say more about what is being done.")
@click.option("-q", "--quiet", is_flag=True, help="Only warnings, errors and results.")
def cli(verbose: bool, quiet: bool) -> None:
    """Audio event detection for STM32U5: labelled clips in, a verified detector out.

    Every command reads a YAML file (-c) and takes overrides as KEY=VALUE, for instance training.epochs=10.
    """
    level = logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO
    logs.to_terminal(level)


def _with_config(function: Callable[..., None]) -> Callable[..., None]:
    function = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(function)
    return click.option(
        "-c", "--config", "config_path", type=click.Path(path_type=Path), metavar="FILE", help="YAML configuration."
    )(function)


def _start(config_path: Path | None, overrides: tuple[str, ...], mode: str | None = None) -> "Run":
    from pyaed import config, operations

    return operations.start(config.load(config_path, overrides, mode), overrides, mode)


def _finish(run: "Run") -> None:
    show(f"results: {run.folder}")


def _operation_command(mode: str, name: str, text: str) -> None:
    def command(config_path: Path | None, overrides: tuple[str, ...]) -> None:
        from pyaed import config, operations

        _finish(operations.perform(config.load(config_path, overrides, mode), mode, overrides))

    command.__doc__ = text
    cli.command(name)(_with_config(command))


for _mode, _name, _text in (
    ("training", "train", "Train a model on labelled clips, then evaluate it on the test set."),
    ("quantization", "quantize", "Quantize a float model to int8."),
    ("prediction", "predict", "Decide about unlabelled sound files."),
    ("deployment", "deploy", "Generate C, build the board's image."),
):
    _operation_command(_mode, _name, _text)


_port = click.option(
    "--port", help="A board that already runs: serial port, URL or auto. Default: build and start the emulator."
)
_baudrate = click.option("--baudrate", default=115200, show_default=True, help="Of that port, as the image was built.")


@cli.command()
@_with_config
@click.option("--port", help="A board that runs the model: serial port, URL or auto. Default: evaluation.target.")
@_baudrate
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="File that takes the board's answers clip by clip; with the same file a restart goes on where it stopped.",
)
@click.option("--as-device", is_flag=True, help="Clips as a board hears them: streamed, silence left in, gated.")
def evaluate(
    config_path: Path | None,
    overrides: tuple[str, ...],
    port: str | None,
    baudrate: int,
    results: Path | None,
    as_device: bool,
) -> None:
    """Evaluate a float or quantized model, patch by patch and clip by clip."""
    from pyaed import operations

    if results and not port:
        raise click.UsageError("--results keeps a board's answers: it needs --port")
    overrides += ("evaluation.as_device=True",) if as_device else ()
    run = _start(config_path, overrides, "evaluation")
    if port:
        operations.evaluate_on_board(run, port, baudrate, results)
        operations.finish(run, "evaluation")
    else:
        operations.run_mode(run, "evaluation")
    _finish(run)


@cli.command()
@_with_config
@_port
@_baudrate
@click.option("--runs", type=click.IntRange(1), help="Repetitions. Default: 1 on the emulator, 5 on a board.")
@click.option("--current-ma", type=float, help="What the board draws while it computes, in mA: gives the energy.")
@click.option("--voltage", type=float, default=3.3, show_default=True, help="Its supply, in V.")
def benchmark(
    config_path: Path | None,
    overrides: tuple[str, ...],
    port: str | None,
    baudrate: int,
    runs: int | None,
    current_ma: float | None,
    voltage: float,
) -> None:
    """Count every stage and layer on the (emulated) board; time is estimated where it can't be measured."""
    from pyaed import operations

    started = _start(config_path, overrides, "benchmarking")
    operations.benchmark(started, port, baudrate, runs or (5 if port else 1), current_ma, voltage)
    operations.finish(started, "benchmarking")
    _finish(started)


@cli.command()
@_with_config
@click.option("--clips", "n_clips", default=8, show_default=True, help="How many clips of the data set to compare.")
@click.option("--patches", default=2, show_default=True, help="Patches to infer of each clip; 0 infers all.")
@_port
@_baudrate
def verify(
    config_path: Path | None, overrides: tuple[str, ...], n_clips: int, patches: int, port: str | None, baudrate: int
) -> None:
    """Compare features and inference on host and board, bit for bit; exit code 1 when anything differs."""
    from pyaed import operations

    started = _start(config_path, overrides, "deployment")
    equal = operations.verify(started, n_clips, patches or None, port, baudrate)
    _finish(started)
    if not equal:
        raise SystemExit(NOT_EQUAL)


@cli.command()
@_with_config
def run(config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Do what `operation_mode` says: one operation or a chain."""
    from pyaed import config, operations

    _finish(operations.perform(config.load(config_path, overrides), None, overrides))


@cli.command()
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE|FOLDER")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "-c", "--config", "config_path", type=click.Path(path_type=Path), metavar="FILE", help="YAML configuration."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("."), help="Folder. Default: the current one.")
def features(path: Path, overrides: tuple[str, ...], config_path: Path | None, out: Path) -> None:
    """Write the patches (.npy) of sound files and pictures of waveform, features and patch borders."""
    from pyaed import config, operations
    from pyaed.dsp import FeatureSpec

    loaded = config.load(config_path, overrides)
    spec = FeatureSpec.from_sections(loaded.feature_extraction, loaded.preprocessing)
    for written in operations.write_features(path, spec, loaded.preprocessing, out):
        show(f"wrote {written}")


@cli.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("pyaed.yaml"))
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def init(path: Path, force: bool) -> None:
    """Write a commented configuration to start from."""
    from pyaed import config

    config.write_template(path, force)
    show(f"wrote {path}; set the paths under 'dataset', then: pyaed run -c {path}")


@cli.command()
@_with_config
@click.option(
    "--protocol",
    type=click.Choice(["folds", "random"]),
    default="folds",
    show_default=True,
    help="folds: every fold is tested once. random: ST's published 80/20 draw, optimistic.",
)
@click.option("--repeats", type=click.IntRange(2), default=5, show_default=True, help="Draws of --protocol random.")
@click.option("--quantized", is_flag=True, help="Quantize too, and report int8 beside float.")
def crossval(
    config_path: Path | None, overrides: tuple[str, ...], protocol: str, repeats: int, quantized: bool
) -> None:
    """Train and test on every fold: mean, spread and the 95 % interval of the clip accuracy."""
    from pyaed import config, operations

    settings = config.load(config_path, overrides, "chain_tqe" if quantized else "training")
    operations.crossval(settings, overrides, protocol, repeats, quantized, show)
    show(f"results: {settings.hydra.run.dir}")


@cli.command("plot-lr")
@_with_config
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("learning_rate.png"), show_default=True, help="Picture."
)
@click.option("--batches", type=click.IntRange(1), help="Of an epoch; a schedule inside the optimizer counts them.")
def plot_lr(config_path: Path | None, overrides: tuple[str, ...], out: Path, batches: int | None) -> None:
    """Draw the learning rate of every epoch, before a training; no data is needed."""
    from pyaed import config, operations

    operations.plot_learning_rate(config.load(config_path, overrides, "training"), out, batches)
    show(f"wrote {out}")


@cli.group("config")
def config_group() -> None:
    """Look at configurations without running anything."""


@config_group.command("check")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def config_check(path: Path, overrides: tuple[str, ...]) -> None:
    """Report every mistake in a configuration, and what its operation will not use; exit code 1 for missing files."""
    from pyaed import config, operations

    loaded = config.load(path, overrides)
    missing = operations.check(loaded)
    for line in config.notes(loaded):
        show(f"note: {line}")
    for line in missing:
        show(f"missing: {line}")
    show(f"{path}: {loaded.operation_mode or 'no operation_mode'}: " + ("missing files" if missing else "no mistakes"))
    if missing:
        raise SystemExit(NOT_EQUAL)


@config_group.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    import json

    from pyaed import config

    show(json.dumps(config.json_schema(), indent=1))


@cli.group()
def dataset() -> None:
    """Look at data sets, and load public ones."""


@dataset.command("check")
@_with_config
def dataset_check(config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Report missing, unreadable, silent, too short, clipped and duplicate clips; exit code 1 when there are any."""
    from pyaed import config, operations

    if not operations.check_dataset(config.load(config_path, overrides, "evaluation"), show):
        raise SystemExit(NOT_EQUAL)


@dataset.command("fetch")
@click.argument("name", metavar="esc50|fsd50k")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder. Default: datasets/NAME.")
def dataset_fetch(name: str, folder: Path | None) -> None:
    """Load a public data set, checked and unpacked, and say the configuration's lines; goes on where it was cut off."""
    from pyaed.data.fetch import fetch

    show(fetch(name, folder or Path("datasets") / name))


@cli.command()
@click.option("--clear", is_flag=True, help="Remove everything.")
def cache(clear: bool) -> None:
    """Show the feature cache: where it is and what it takes (PYAED_CACHE names the folder, PYAED_CACHE_LIMIT the GiB)."""
    from pyaed import data

    folder, limit = data.cache_root(), data.cache_limit()
    if clear:
        count, removed = data.prune(folder, 0)
        show(f"removed {count} entries, {removed / 2**20:.1f} MiB")
    entries = data.cache_entries(folder)
    size = sum(size for _, size, _ in entries)
    show(f"{folder}: {len(entries)} entries, {size / 2**20:.1f} MiB of at most {limit / 2**30:g} GiB")


@cli.command()
@click.option("--data", type=click.Path(path_type=Path), help="An ESC-format data set instead of the synthetic one.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("pyaed_demo"), show_default=True)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
def demo(data: Path | None, out: Path, overrides: tuple[str, ...]) -> None:
    """Go the whole road once: train, quantize, evaluate, deploy, verify and benchmark on the emulated board."""
    from pyaed import operations

    if not operations.demo(out, data, overrides, show):
        raise SystemExit(NOT_EQUAL)


@cli.command()
def ports() -> None:
    """List the serial ports, ST-LINKs first."""
    from pyaed import text
    from pyaed.link import ports as service

    rows = service.list_all()
    show(text.format_table(rows) if rows else "no serial port exists here")


@cli.command()
@click.argument("image", type=click.Path(path_type=Path))
@click.option("--method", help="cubeprogrammer, openocd, pyocd or copy. Default: the first that is there.")
@click.option("--serial", help="Serial number of the ST-LINK, where several are connected (see `pyaed ports`).")
@click.option("--dry-run", is_flag=True, help="Only print the command.")
@click.option("--board", help="Default: the one that the image is linked for.")
def flash(image: Path, method: str | None, serial: str | None, dry_run: bool, board: str | None) -> None:
    """Bring an image (pyaed.elf) onto the connected board."""
    from pyaed.boards import flash as service

    line = service(image, method, serial, dry_run, board=board)
    show(line if dry_run else f"flashed: {line}")


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--port", default="auto", show_default=True, help="Serial port or URL; auto: the connected ST-LINK.")
@click.option("--baudrate", default=921600, show_default=True, help="As the image was built (AED_BAUDRATE).")
@click.option("--seconds", default=2.0, show_default=True, help="How long.")
def record(path: Path, port: str, baudrate: int, seconds: float) -> None:
    """Record the board's microphone to a WAV file and print its level."""
    from pyaed.monitor import recording

    show(recording.record(path, port, baudrate, seconds))


@cli.command()
@_with_config
@click.option("--port", help="A board that runs the model: serial port, URL or auto.")
@_baudrate
@click.option("--board", type=click.Choice(["emulator"]), help="No board: build the image, start the emulator.")
@click.option(
    "--play",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Stream a sound file as if it were the microphone. Needs the model (general.model_path).",
)
@click.option("--record", type=click.Path(path_type=Path), metavar="FOLDER", help="Keep the PCM and the events there.")
@click.option("--seconds", type=float, help="Stop after so long. Default: at the file's end, or with Ctrl-C.")
@click.option("--fast", is_flag=True, help="Stream as fast as the board takes it, not in real time.")
def monitor(
    config_path: Path | None,
    overrides: tuple[str, ...],
    port: str | None,
    baudrate: int,
    board: str | None,
    play: Path | None,
    record: Path | None,
    seconds: float | None,
    fast: bool,
) -> None:
    """Watch a board listen: level, spectrogram, classes, events, what was lost. Ctrl-C ends it."""
    from pyaed import operations

    if (port is None) == (board is None):
        raise click.UsageError("one of --port and --board is needed")
    started = _start(config_path, overrides, "deployment")
    for path in operations.monitor(started, port, baudrate, play, record, seconds, not fast):
        show(f"wrote {path}")


@cli.command()
@click.option(
    "--port", metavar="PORT", help="Ask the board there, too: its clock, last reset, faults; 'auto' finds the ST-LINK."
)
@_baudrate
def doctor(port: str | None, baudrate: int) -> None:
    """Show what is installed and what to do about each gap; exit code 1 when the main road is blocked."""
    from pyaed import doctor as service

    text, complete = service.examine()
    show(text)
    if port is not None:
        show(service.examine_board(port, baudrate))
    if not complete:
        raise SystemExit(NOT_EQUAL)


def _fail(message: object) -> NoReturn:
    with suppress(OSError):  # standard error may be what is closed or full
        lines = (shorten(line, 4000) for line in f"error: {message}".split("\n"))
        click.echo(printable("\n".join(lines), keep="\n"), err=True)
    sys.exit(USER_ERROR)


def main() -> None:
    """Run the command line: exit code 0 for success, 1 for a check that found something, 2 for a user's error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(standalone_mode=False)
    except UserError as error:
        _fail(error)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(USER_ERROR)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what was finished is kept", err=True)
        sys.exit(130)
    except _ReaderGone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is dropped quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        sys.exit(READER_GONE)
    except OSError as error:
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes))]
        _fail(": ".join([*names, error.strerror or str(error) or type(error).__name__]))
    except MemoryError as error:
        _fail(f"not enough memory{f': {error}' if str(error) else ''}")
    except RecursionError:
        _fail("a value or a file is nested too deeply")
    except UnicodeError as error:
        _fail(f"a text has characters that can't be written or read: {error}")


if __name__ == "__main__":
    main()
