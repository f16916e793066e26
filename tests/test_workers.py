"""Whoever carries out the work: the same results, in the items' order, with few items ahead, and the first error ends it."""

import os
import threading
import time

import pytest

from pyaed.workers import AHEAD, Serial, Threads, executor, worker_count


def test_the_number_of_workers(monkeypatch):
    assert worker_count(3) == 3
    assert worker_count(0) == 1
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 7, 9}, raising=False)
    assert worker_count() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert worker_count() == 1
    assert isinstance(executor(1), Serial)
    assert isinstance(executor(2), Threads)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_items_order(workers):
    def slow(i: int) -> int:
        time.sleep(0.002 * (i % 3))
        return i * i

    assert list(executor(workers).map(slow, range(40))) == [i * i for i in range(40)]
    assert list(executor(workers).map(slow, [])) == []


@pytest.mark.parametrize("workers", [1, 3])
def test_only_a_few_items_are_taken_ahead(workers):
    taken = []

    def items():
        for i in range(1000):
            taken.append(i)
            yield i

    results = executor(workers).map(lambda i: i, items())
    for i, result in zip(range(5), results):
        assert result == i
    assert len(taken) <= 5 + AHEAD * workers + 1
    results.close() if hasattr(results, "close") else None


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_error_ends_it(workers):
    done, lock = [], threading.Lock()

    def fails(i: int) -> int:
        with lock:
            done.append(i)
        if i == 7:
            raise ValueError("seven")
        time.sleep(0.001)
        return i

    results: list[int] = []
    with pytest.raises(ValueError, match="seven"):
        results.extend(executor(workers).map(fails, range(10_000)))
    assert results == list(range(7))
    assert len(done) < 200
