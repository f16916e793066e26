"""Mutation test: do the tests fail when the code is changed a little?

    python tests/mutants/run.py [--count 300] [--seed 0] [--only ROOM] [--retry]

What belongs to which room and which tests should fail stands in ``mutants.yaml``. The changes are made in a copy of the
tree under ``build/mutants``, where the report goes too. A run that was stopped goes on where it was.
"""

import argparse
import json
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from sites import Mutant, find_mutants
from tree import CHECKED, Tree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUTCOMES = ("killed", "survived", "not compiled", "same code", "equivalent")
COUNTED = ("killed", "survived")


class Room:
    """A room's files and the tests that should fail when one of them is changed."""

    def __init__(self, name: str, entry: dict[str, Any]):
        self.name = name
        self.quick: list[str] = [f"ctest {entry['ctest']}"] if "ctest" in entry else []
        self.tests: dict[str, list[str]] = {"host": entry.get("tests", []), "m33": entry.get("m33_tests", [])}
        found = {p for pattern in entry["files"] for p in ROOT.glob(pattern)}
        found -= {p for pattern in entry.get("without", []) for p in ROOT.glob(pattern)}
        self.files = sorted(str(p.relative_to(ROOT)) for p in found)
        if not self.files:
            raise SystemExit(f"mutants.yaml: {name}: no file fits {entry['files']}")


class Run:
    """One sample: draws mutants, tries them, keeps the results."""

    def __init__(self, seed: int, only: str | None, retry: bool):
        table = yaml.safe_load((HERE / "mutants.yaml").read_text())
        self.rooms = [Room(name, entry) for name, entry in table["rooms"].items() if only in (None, name)]
        if not self.rooms:
            raise SystemExit(f"{only}: no room of mutants.yaml, which has {', '.join(table['rooms'])}")
        self.equivalent = {(e["file"], e["line"], e["change"]): e["reason"] for e in table.get("equivalent") or []}
        self.seed = seed
        self.folder = ROOT / "build" / "mutants"
        self.tree = Tree(ROOT, self.folder)
        self.log = self.folder / "results.jsonl"
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.known = {entry["key"]: entry for entry in map(json.loads, lines)}
        if retry:
            self.known = {key: entry for key, entry in self.known.items() if entry["outcome"] != "survived"}
        self.results: list[dict] = []
        self.objects: dict[str, dict[str, bytes]] = {}
        self.seconds: dict[str, float] = {}

    def prepare(self) -> None:
        """Copy, build, and see every test pass: what fails without a change says nothing about one."""
        state = self.tree.copy()
        self.tree.configure()
        self.objects = {name: self.tree.objects(name) for name in ("host", "m33")}
        cache = self.folder / "baseline.json"
        baseline = json.loads(cache.read_text()) if cache.exists() else {}
        passed = baseline.get("passed", {}) if baseline.get("state") == state else {}
        for room in self.rooms:
            for command in [*room.quick, *(c for commands in room.tests.values() for c in commands)]:
                if command not in passed:
                    begin = time.monotonic()
                    if not self.tree.test(command, 900):
                        raise SystemExit(f"fails without a change: {command}\n{_tail(self.folder / 'last.log')}")
                    passed[command] = time.monotonic() - begin
                    print(f"passes in {passed[command]:5.1f} s: {command}", flush=True)
                    cache.write_text(json.dumps({"state": state, "passed": passed}))
        self.seconds = passed

    def draw(self, count: int) -> None:
        """Try one mutant of every file in turn until `count` were killed or survived."""
        queues = []
        for room in self.rooms:
            for path in room.files:
                mutants = find_mutants(self.tree.path, path)
                random.Random(f"{self.seed} {path}").shuffle(mutants)
                queues.append((room, mutants))
        random.Random(self.seed).shuffle(queues)
        counted = 0
        while counted < count and any(mutants for _, mutants in queues):
            for room, mutants in queues:
                while mutants and counted < count:
                    entry = self.attempt(room, mutants.pop())
                    self.results.append(entry)
                    if entry["outcome"] in COUNTED:
                        counted += 1
                        break

    def attempt(self, room: Room, mutant: Mutant) -> dict:
        """Return what became of a mutant, from an earlier run where one has it."""
        target = self.tree.path / mutant.path
        text = target.read_text(encoding="utf-8")
        key = mutant.key(text)
        if key in self.known:
            return self.known[key]
        place = (mutant.path, text.splitlines()[mutant.line - 1].strip(), f"{mutant.old} -> {mutant.new}")
        begin = time.monotonic()
        if place in self.equivalent:
            outcome, by = "equivalent", self.equivalent[place]
        else:
            try:
                target.write_text(mutant.apply(text), encoding="utf-8")
                outcome, by = self.judge(room, mutant)
            finally:
                target.write_text(text, encoding="utf-8")
        entry = {
            "key": key, "room": room.name, "mutant": str(mutant), "outcome": outcome, "by": by,
            "seconds": round(time.monotonic() - begin, 1),
        }  # fmt: skip
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        print(f"{outcome:12} {entry['seconds']:6.1f} s  {mutant}  {by}", flush=True)
        return entry

    def judge(self, room: Room, mutant: Mutant) -> tuple[str, str]:
        """Build the changed copy and run the room's tests, those of a machine only where its code changed."""
        machines, is_c = ["host"], not mutant.path.endswith(".py")
        if is_c and not self.tree.build(CHECKED):
            return "not compiled", ""
        for command in room.quick:
            if not self.passes(command):
                return "killed", command
        if is_c:
            if not (self.tree.build("host") and self.tree.build("m33")):
                return "not compiled", ""
            machines = [name for name in self.objects if self.tree.objects(name) != self.objects[name]]
            if not machines:
                return "same code", ""
        for command in [c for name in machines for c in room.tests[name]]:
            if not self.passes(command):
                return "killed", command
        return "survived", ""

    def passes(self, command: str) -> bool:
        """Tell whether a test passes, within a few times what it takes without a change."""
        return self.tree.test(command, 20 + 5 * self.seconds[command])

    def report(self) -> str:
        """Write and return the table by room and the survivors."""
        lines = [f"{'room':14}" + "".join(f"{name:>14}" for name in ("mutants", *OUTCOMES, "score"))]
        for name in [*(room.name for room in self.rooms), "all"]:
            found = [e["outcome"] for e in self.results if name in (e["room"], "all")]
            numbers = [found.count(outcome) for outcome in OUTCOMES]
            counted = numbers[0] + numbers[1]
            score = f"{100 * numbers[0] / counted:.1f} %" if counted else "-"
            lines.append(f"{name:14}" + "".join(f"{n:>14}" for n in (counted, *numbers, score)))
        survivors = sorted(e["mutant"] for e in self.results if e["outcome"] == "survived")
        text = "\n".join([f"seed {self.seed}", *lines, "", "survivors:", *survivors]) + "\n"
        (self.folder / "report.txt").write_text(text)
        return text


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-30:])


def main() -> int:
    """Run from the command line; exit code 0, whatever the score is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="mutants that compile and change the code")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws another sample")
    parser.add_argument("--only", metavar="ROOM", help="one room of mutants.yaml")
    parser.add_argument("--retry", action="store_true", help="try those again that survived, after a change of tests")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    run = Run(options.seed, options.only, options.retry)
    try:
        run.prepare()
        run.draw(options.count)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here")
    print(run.report())
    return 0


if __name__ == "__main__":
    sys.exit(main())
