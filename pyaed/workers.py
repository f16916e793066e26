"""Work on many items at a time: one rule for the number of workers, one interface, results in the items' order."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Results a worker that may wait in memory until they are asked for.
AHEAD = 4


class Executor(Protocol):
    """What carries out work. Whichever does, the results are the same and come in the same order."""

    workers: int

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield the function's results in the order of the items; a few items are worked on ahead of the one asked for.

        The first error ends it; what has not begun by then never does.
        """


class Serial:
    """One item after the other, in the caller's thread."""

    workers = 1

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        return map(function, items)


class Threads:
    """Threads of this process: for functions that spend their time in C with Python's lock released."""

    def __init__(self, workers: int):
        self.workers = workers

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        pool = ThreadPoolExecutor(self.workers)
        pending: deque[Future[R]] = deque()
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > AHEAD * self.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def worker_count(wanted: int | None = None) -> int:
    """Return how many workers to use: `wanted`, by default the processors that this process may use."""
    if wanted is not None:
        return max(1, wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def executor(workers: int | None = None) -> Executor:
    """Return what carries out work with so many workers; see `worker_count`."""
    count = worker_count(workers)
    return Serial() if count == 1 else Threads(count)
