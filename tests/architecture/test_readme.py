"""What newcomers copy works: the two commands, the example, the links, the same words in CI."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT
from tradebotd.daemon.commands import main

README = (ROOT / "README.md").read_text()
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def commands() -> list[str]:
    return re.findall(r"^python3 -m venv .+$", README, re.MULTILINE)


def test_the_two_commands_stand_at_the_top() -> None:
    start, tests = commands()

    assert README.index(tests) < README.index("\n## ")
    assert start.endswith(".venv/bin/tradebotd run --config config.example.toml")
    assert tests.endswith(".venv/bin/pytest -n 2")
    for command in (start, tests):
        assert "--require-hashes" in command


def test_ci_runs_the_second_command_word_for_word() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    extract = next(line for line in script.splitlines() if line.startswith("install_and_test=$("))
    pattern = extract[len("install_and_test=$(") : -1]

    found = subprocess.run(
        ["bash", "-c", pattern], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == commands()[1]


def test_ci_is_executable_and_can_be_read_by_bash() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_example_is_a_good_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["check", "--config", str(ROOT / "config.example.toml")]) == 0
    assert "good: 2 symbols, 3 bots" in capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_leads_somewhere(page: Path) -> None:

    broken = []
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file) if file else page
        if not path.exists() or (anchor and anchor not in headings(path.read_text())):
            broken.append(target)

    assert not broken


def headings(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}
