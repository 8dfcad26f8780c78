"""Secrets are found where the configuration points, and shown nowhere."""

import os
from pathlib import Path

import pytest

from tests.unit.config_text import SMALLEST, written
from tradebotd.config.load import load_config
from tradebotd.config.secrets import database_password, secret_values
from tradebotd.domain.errors import ConfigError

CANARY = "canary-4711-secret"


def with_password(reference: str) -> str:
    return f"[database]\npassword = {reference}\n{SMALLEST}"


def secret_file(directory: Path, mode: int, text: str = CANARY + "\n") -> Path:
    file = directory / "password"
    file.write_text(text)
    file.chmod(mode)
    return file


def problem(directory: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(written(directory, text))
    (found,) = caught.value.problems
    return found


def test_a_secret_is_read_from_a_private_file_beside_the_configuration(tmp_path: Path) -> None:
    secret_file(tmp_path, 0o600)
    config = load_config(written(tmp_path, with_password('{ file = "password" }')))

    assert database_password(config) == CANARY
    assert secret_values(config) == [CANARY]


def test_a_secret_is_read_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEBOTD_TEST_SECRET", CANARY)
    text = with_password('{ env = "TRADEBOTD_TEST_SECRET" }')

    assert database_password(load_config(written(tmp_path, text))) == CANARY


def test_a_secret_is_read_from_a_systemd_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_file(tmp_path, 0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    text = with_password('{ credential = "password" }')

    assert database_password(load_config(written(tmp_path, text))) == CANARY


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (0o602, "can be written by everybody"),
        (0o604, "can be read by everybody"),
        (0o666, "can be written by everybody"),
    ],
)
def test_a_secret_that_everybody_may_touch_is_refused(
    mode: int, reason: str, tmp_path: Path
) -> None:
    file = secret_file(tmp_path, mode)

    found = problem(tmp_path, with_password('{ file = "password" }'))

    assert found == f"database.password: {file} {reason}; chmod 600 it"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ('{ file = "absent" }', "No such file"),
        ('{ file = "." }', "Is a directory"),
        ('{ env = "TRADEBOTD_TEST_NOT_SET" }', "$TRADEBOTD_TEST_NOT_SET is not set"),
        ('{ credential = "password" }', "LoadCredential="),
        ("{}", "exactly one of file, env, credential"),
        ('{ file = "password", env = "HOME" }', "exactly one of file, env, credential"),
    ],
)
def test_a_secret_that_cannot_be_had_is_a_problem_of_the_configuration(
    reference: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.delenv("TRADEBOTD_TEST_NOT_SET", raising=False)

    found = problem(tmp_path, with_password(reference))

    assert found.startswith("database.password: ")
    assert reason in found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_secret_that_we_may_not_read_is_told(tmp_path: Path) -> None:
    secret_file(tmp_path, 0o000)

    assert "Permission denied" in problem(tmp_path, with_password('{ file = "password" }'))


@pytest.mark.parametrize("text", ["", "\n"])
def test_an_empty_secret_is_told(text: str, tmp_path: Path) -> None:
    secret_file(tmp_path, 0o600, text)

    assert problem(tmp_path, with_password('{ file = "password" }')).endswith("is empty")


def test_neither_the_configuration_nor_a_complaint_shows_a_secret(tmp_path: Path) -> None:
    secret_file(tmp_path, 0o600)
    config = load_config(written(tmp_path, with_password('{ file = "password" }')))
    inline = problem(tmp_path, with_password(f'"{CANARY}"'))

    assert CANARY not in repr(config)
    assert CANARY not in config.model_dump_json()
    assert CANARY not in inline


def test_every_place_of_a_secret_is_looked_at(tmp_path: Path) -> None:
    text = SMALLEST.replace('kind = "paper"', 'kind = "paper"\napi_key = { file = "a" }')
    text = text.replace('kind = "synthetic"', 'kind = "synthetic"\napi_secret = { file = "b" }')

    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))

    assert [found.split(":")[0] for found in caught.value.problems] == [
        "feeds.history.api_secret",
        "venues.paper.api_key",
    ]
