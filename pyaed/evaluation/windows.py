"""Pictures in windows, where there is a display."""

from collections.abc import Sequence
from pathlib import Path


def show_pictures(paths: Sequence[Path]) -> bool:
    """Show pictures, each in a window of its own, until the last window is closed.

    Parameters
    ----------
    paths : sequence of Path
        PNG files.

    Returns
    -------
    bool
        False where no window can be opened: without a display, without matplotlib, or without a toolkit for it.
    """
    try:
        from matplotlib import pyplot
    except ImportError:
        return False
    try:
        for path in paths:
            figure = pyplot.figure(path.stem, layout="constrained")
            if figure.canvas.required_interactive_framework is None:  # it draws into files only
                return False
            axes = figure.add_subplot()
            axes.imshow(pyplot.imread(path))
            axes.set_axis_off()
        pyplot.show(block=True)
    except Exception:  # the toolkit's own errors, of many kinds: the display doesn't answer
        return False
    finally:
        pyplot.close("all")
    return True
