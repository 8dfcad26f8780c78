"""Migration files, read without the database."""

import hashlib
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import tradebotd
from tradebotd.domain.errors import MigrationError

PACKAGE: Final = "tradebotd.migrations"
FILE_NAME: Final = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    version: int
    name: str
    checksum: str  # SHA-256 of the file
    sql: str


def load_migrations(directory: Path | None = None) -> tuple[Migration, ...]:
    """Read every migration in order, before the loop starts. Raises MigrationError."""
    found = [
        _read(entry)
        for entry in (directory or _directory()).iterdir()
        if entry.name.endswith(".sql")
    ]
    found.sort(key=lambda migration: migration.version)
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(found) + 1)):
        raise MigrationError(f"migrations must be numbered 1, 2, 3 …, found {versions}")
    return tuple(found)


def _read(entry: Path) -> Migration:
    matched = FILE_NAME.fullmatch(entry.name)
    if matched is None:
        raise MigrationError(f"{entry.name} is no name for a migration: 0001_words.sql is")
    content = entry.read_bytes()
    return Migration(
        version=int(matched["version"]),
        name=matched["name"],
        checksum=hashlib.sha256(content).hexdigest(),
        sql=content.decode(),
    )


def _directory() -> Path:
    """Return the files' directory: a package if installed, beside the package in a checkout."""
    package = find_spec(PACKAGE)
    if package is not None and package.submodule_search_locations:
        return Path(next(iter(package.submodule_search_locations)))
    beside = Path(tradebotd.__file__).parent.parent / "migrations"
    if not beside.is_dir():
        raise MigrationError(f"no migrations: neither {PACKAGE} nor {beside} exists")
    return beside
