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
from tree import CHECKED, TARGETS, Tree

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUTCOMES = ("killed", "survived", "not compiled", "same code", "equivalent")
COUNTED = ("killed", "survived")


class Group:
    """Some files of a room, and the tests that should fail when one of them is changed."""

    def __init__(self, room: str, entry: dict[str, Any]):
        self.room = room
        ctest = [entry["ctest"]] if "ctest" in entry else []
        self.tests = [*(("host", regex) for regex in ctest), *(("pytest", words) for words in entry.get("pytest", []))]
        self.checked = [(CHECKED, regex) for regex in ctest]
        self.m33_tests = [("pytest", words) for words in entry.get("m33_pytest", [])]
        self.files = {str(p.relative_to(ROOT)) for pattern in entry["files"] for p in ROOT.glob(pattern)}
        if not self.files:
            raise SystemExit(f"mutants.yaml: {room}: no file fits {entry['files']}")


class Run:
    """One sample: draws mutants, tries them, keeps the results."""

    def __init__(self, seed: int, only: list[str] | None, retry: bool):
        table = yaml.safe_load((HERE / "mutants.yaml").read_text())
        for name in only or ():
            if name not in table["rooms"]:
                raise SystemExit(f"{name}: no room of mutants.yaml, which has {', '.join(table['rooms'])}")
        rooms = {name: groups for name, groups in table["rooms"].items() if not only or name in only}
        self.groups = [Group(name, entry) for name, entries in rooms.items() for entry in entries]
        left_out = {str(p.relative_to(ROOT)) for pattern in table["left_out"] for p in ROOT.glob(pattern)}
        #: file -> its group; of several the first
        self.files = {path: group for group in reversed(self.groups) for path in sorted(group.files - left_out)}
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
        self.baseline = self.folder / "baseline.json"
        self.state = ""

    def prepare(self) -> None:
        """Copy and build."""
        self.state = self.tree.copy()
        self.stale = False  # whether a build still has the last mutant in it
        self.tree.configure()
        self.objects = {name: self.tree.objects(name) for name in ("host", "m33")}
        if self.baseline.exists():
            known = json.loads(self.baseline.read_text())
            self.seconds = known["seconds"] if known["state"] == self.state else {}

    def see_pass(self, group: Group) -> None:
        """Run a group's tests on the code as it is: what fails without a change says nothing about one."""
        for test in [*group.tests, *group.checked, *group.m33_tests]:
            name = " ".join(test)
            if name not in self.seconds:
                begin = time.monotonic()
                if not self.passes(test, 900):
                    raise SystemExit(f"fails without a change: {name}\n{_tail(self.folder / 'last.log')}")
                self.seconds[name] = time.monotonic() - begin
                print(f"passes in {self.seconds[name]:5.1f} s: {name}", flush=True)
                self.baseline.write_text(json.dumps({"state": self.state, "seconds": self.seconds}))

    def draw(self, count: int) -> None:
        """Try mutants, as many of one file as of another, until `count` were killed or survived.

        A file's mutants follow each other, so that little is built again; what one file lacks the others give.
        """
        queues = {}
        for path in sorted(self.files):
            queues[path] = find_mutants(self.tree.path, path)
            random.Random(f"{self.seed} {path}").shuffle(queues[path])
        counted = 0
        while counted < count and any(queues.values()):
            paths = [path for path, mutants in queues.items() if mutants]
            random.Random(self.seed).shuffle(paths)
            each, more = divmod(count - counted, len(paths))
            for i, path in enumerate(paths):
                wanted = each + (i < more)
                while queues[path] and wanted:
                    entry = self.attempt(self.files[path], queues[path].pop())
                    self.results.append(entry)
                    wanted -= entry["outcome"] in COUNTED
                    counted += entry["outcome"] in COUNTED

    def attempt(self, group: Group, mutant: Mutant) -> dict:
        """Return what became of a mutant, from an earlier run where one has it."""
        target = self.tree.path / mutant.path
        text = target.read_text(encoding="utf-8")
        key = mutant.key(text)
        if key in self.known:
            return self.known[key]
        known = all(" ".join(test) in self.seconds for test in [*group.tests, *group.checked, *group.m33_tests])
        if self.stale and (mutant.path.endswith(".py") or not known):
            self.stale = not all([self.tree.build(name) for name in TARGETS])
        place = (mutant.path, text.splitlines()[mutant.line - 1].strip(), f"{mutant.old} -> {mutant.new}")
        self.see_pass(group)
        begin = time.monotonic()
        if place in self.equivalent:
            outcome, by = "equivalent", self.equivalent[place]
        else:
            try:
                target.write_text(mutant.apply(text), encoding="utf-8")
                outcome, by = self.judge(group, mutant)
            finally:
                target.write_text(text, encoding="utf-8")
                self.stale |= not mutant.path.endswith(".py")
        entry = {
            "key": key, "room": group.room, "mutant": str(mutant), "outcome": outcome, "by": by,
            "seconds": round(time.monotonic() - begin, 1),
        }  # fmt: skip
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        print(f"{outcome:12} {entry['seconds']:6.1f} s  {mutant}  {by}", flush=True)
        return entry

    def judge(self, group: Group, mutant: Mutant) -> tuple[str, str]:
        """Build the changed copy and run the group's tests: on the host where its code changed, then on the Cortex-M33."""
        if mutant.path.endswith(".py"):
            return self.survives(group.tests)
        if not self.tree.build("host"):
            return "not compiled", ""
        changed = self.tree.objects("host") != self.objects["host"]
        if changed:
            outcome = self.survives(group.tests)
            if outcome[0] == "survived" and self.tree.build(CHECKED):  # slow to build: the quick way first
                outcome = self.survives(group.checked)
            if outcome[0] == "killed":
                return outcome
        if not self.tree.build("m33"):
            return "not compiled", ""
        if self.tree.objects("m33") != self.objects["m33"]:
            return self.survives(group.m33_tests)
        return outcome if changed else ("same code", "")

    def survives(self, tests: list[tuple[str, str]]) -> tuple[str, str]:
        """Run tests until one fails, or takes several times as long as without a change."""
        names = (" ".join(test) for test in tests if not self.passes(test, 20 + 5 * self.seconds[" ".join(test)]))
        failed = next(names, None)
        return ("survived", "") if failed is None else ("killed", failed)

    def passes(self, test: tuple[str, str], timeout: float) -> bool:
        """Run pytest, or the C tests of a build."""
        kind, words = test
        return self.tree.pytest(words, timeout) if kind == "pytest" else self.tree.ctest(kind, words, timeout)

    def report(self) -> str:
        """Write and return the table by room and the survivors."""
        lines = [f"{'room':14}" + "".join(f"{name:>14}" for name in ("mutants", *OUTCOMES, "score"))]
        for name in [*dict.fromkeys(group.room for group in self.groups), "all"]:
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
    parser.add_argument("--only", metavar="ROOM", action="append", help="a room of mutants.yaml; may be given again")
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
