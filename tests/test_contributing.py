"""CONTRIBUTING.md and CHANGELOG.md keep to the tree: what they name is there, and the hooks are the checks of `make lint`."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ITEMS = re.findall(r"^- (.+(?:\n  .+)*)", PAGE.partition("\n## How to add")[2].partition("\n## Style")[0], re.M)


def paths(text: str) -> list[Path]:
    """The paths that a text names in backticks; ``<name>`` stands for anything."""
    named = [name for name in re.findall(r"`([\w./*<>-]+)`", text) if "/" in name]
    return [ROOT / name for name in named]


def test_the_lists_name_files_that_are_there():
    assert len(ITEMS) > 40
    missing = [
        str(path) for path in paths(PAGE) if not list(ROOT.glob(re.sub(r"<\w+>", "*", str(path.relative_to(ROOT)))))
    ]
    assert missing == []


def test_what_is_to_be_changed_in_a_file_is_in_that_file():
    """Tables and functions that an item names: each stands in one of the files that the item names."""
    checked, missing = 0, []
    for item in ITEMS:
        found = "".join(path.read_text(encoding="utf-8") for path in paths(item) if path.is_file())
        for name in re.findall(r"`(_?[A-Z][A-Za-z_]{3,}|[a-z]+(?:_[a-z]+)+)`", item) if found else ():
            checked += 1
            if not re.search(rf"\b{name}\b", found):
                missing.append(f"{name}: {item}")
    assert checked > 25
    assert missing == []


def test_links_lead_somewhere():
    for page in (
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/api.md",
        *(str(p.relative_to(ROOT)) for p in ROOT.glob("examples/*/README.md")),
    ):
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]*)(?:#[^)]*)?\)", text):
            assert not target or (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_the_hooks_are_the_linters_of_make():
    """What `make lint` runs, a commit runs: by the programs of .venv, so that no network is needed."""
    hooks = [
        hook
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repo["hooks"]
    ]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M)[1]
    linters = {m for m in re.findall(r"\$\(BIN\)/([\w-]+(?: check| format)?)", recipe) if m != "pre-commit"}
    entries = {re.match(r"\.venv/bin/([\w-]+(?: check| format)?)", hook["entry"])[1] for hook in hooks}
    assert linters
    assert linters <= entries
    assert all(hook["language"] == "system" for hook in hooks)


@pytest.mark.parametrize("heading", ["Unreleased", "0.1.0"])
def test_the_changelog_has_its_form(heading):
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.+?)\]", text, re.M)
    assert versions[0] == "Unreleased"
    section = re.search(rf"^## \[{heading}\][^\n]*\n(.*?)(?=^## |\Z)", text, re.M | re.S)[1]
    kinds = re.findall(r"^### (.+)$", section, re.M)
    assert kinds
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_version_to_come_is_the_same_everywhere():
    """Without a tag a build has the version that the change log announces."""
    fallback = re.search(r'^fallback_version = "(.+)\.dev0"$', (ROOT / "pyproject.toml").read_text(), re.M)
    announced = re.search(r"^This will be ([\d.]+\d)\.", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert fallback[1] == announced[1]
