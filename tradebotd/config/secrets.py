"""Secrets: read from a file, the environment or a systemd credential, and never shown."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from tradebotd.config.model import Config
from tradebotd.config.values import SecretReference
from tradebotd.domain.errors import ConfigError


def read_secret(
    reference: SecretReference,
    path: str,
    config: Config,
    environment: Mapping[str, str] = os.environ,
) -> SecretStr:
    """Return the secret without its final line break. Raises ConfigError, which never quotes it."""
    given = [name for name in ("file", "env", "credential") if getattr(reference, name) is not None]
    if len(given) != 1:
        raise ConfigError([f"{path}: exactly one of file, env, credential"])
    if reference.env is not None:
        value = environment.get(reference.env)
        if not value:
            raise ConfigError([f"{path}: ${reference.env} is not set"])
        return SecretStr(value)
    return SecretStr(_read(_file_of(reference, path, config, environment), path))


def _file_of(
    reference: SecretReference, path: str, config: Config, environment: Mapping[str, str]
) -> Path:
    if reference.file is not None:
        return config.path(reference.file)
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(
            [f"{path}: $CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential="]
        )
    return Path(directory) / str(reference.credential)


def _read(file: Path, path: str) -> str:
    try:
        mode = file.stat().st_mode
        if mode & stat.S_IWOTH:
            raise ConfigError([f"{path}: {file} can be written by everybody; chmod 600 it"])
        if mode & stat.S_IROTH:
            raise ConfigError([f"{path}: {file} can be read by everybody; chmod 600 it"])
        text = file.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise ConfigError([f"{path}: {file}: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: {file} is not text"]) from error
    if not text:
        raise ConfigError([f"{path}: {file} is empty"])
    return text


def references(config: Config) -> Iterator[tuple[str, SecretReference]]:
    """Yield every secret reference of the configuration with its path in the file."""
    if config.database.password is not None:
        yield "database.password", config.database.password
    for kind, table in (("feeds", config.feeds), ("venues", config.venues)):
        for name, section in table.items():
            for key in ("api_key", "api_secret"):
                reference = getattr(section, key)
                if reference is not None:
                    yield f"{kind}.{name}.{key}", reference
    for number, reference in enumerate(config.alerts.urls):
        yield f"alerts.urls[{number}]", reference


@dataclass(frozen=True, slots=True)
class VenueKey:
    """API key of a venue and its secret; neither is shown."""

    api_key: SecretStr
    api_secret: SecretStr


def venue_keys(config: Config) -> dict[str, VenueKey]:
    """Read the keys of venues that have both of them, by venue. Raises ConfigError. Blocks."""
    return {
        name: VenueKey(
            read_secret(venue.api_key, f"venues.{name}.api_key", config),
            read_secret(venue.api_secret, f"venues.{name}.api_secret", config),
        )
        for name, venue in config.venues.items()
        if venue.api_key is not None and venue.api_secret is not None
    }


def secret_values(config: Config) -> list[str]:
    """Return every secret in clear text, for the log to redact. Raises ConfigError."""
    return [
        read_secret(reference, path, config).get_secret_value()
        for path, reference in references(config)
    ]


def secret_problems(config: Config) -> list[str]:
    problems: list[str] = []
    for path, reference in references(config):
        try:
            read_secret(reference, path, config)
        except ConfigError as error:
            problems += error.problems
    return problems


def database_password(config: Config) -> str | None:
    """Read the database password; None if none is configured. Raises ConfigError."""
    reference = config.database.password
    if reference is None:
        return None
    return read_secret(reference, "database.password", config).get_secret_value()
