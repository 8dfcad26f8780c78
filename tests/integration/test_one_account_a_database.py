"""One database serves one account: its bots, positions and orders do not say whose they are."""

from pathlib import Path

import pytest

from tests.unit.config_text import SMALLEST, written
from tradebotd.config.model import Config
from tradebotd.daemon.lifecycle import hold_account
from tradebotd.daemon.wiring.files import LoadedFiles, load
from tradebotd.domain.errors import ConfigError
from tradebotd.storage import leadership, settings
from tradebotd.storage.postgres.database import Database

Loaded = dict[str, tuple[Config, LoadedFiles]]


@pytest.fixture
def of(tmp_path: Path) -> Loaded:
    """Configurations by their account."""
    loaded: Loaded = {}
    for account in ("default", "other", "renamed"):
        text = f'[daemon]\naccount = "{account}"\n{SMALLEST}'
        loaded[account] = load(written(tmp_path, text, f"{account}.toml"))
    return loaded


async def hold(database: Database, loaded: tuple[Config, LoadedFiles]) -> None:
    async with hold_account(*loaded, database):
        pass


async def known(database: Database) -> list[str]:
    async with database.connection() as connection:
        return await leadership.known_accounts(connection)


async def test_a_second_account_is_refused_before_it_changes_anything(
    database: Database, of: Loaded
) -> None:
    """M5.1: it would orphan the first one's bots and take its positions for its own."""
    await hold(database, of["default"])

    with pytest.raises(ConfigError) as refused:
        await hold(database, of["other"])

    (problem,) = refused.value.problems
    assert problem == (
        "daemon.account: 'other', and this database is the one of 'default'; one database serves"
        " one account: name another database, or the account 'default'"
    )
    assert await known(database) == ["default"]
    await hold(database, of["default"])


async def test_a_database_from_before_belongs_to_the_account_that_has_held_it(
    database: Database, of: Loaded
) -> None:
    """M5.1: no earlier version has stored whose it is."""
    await hold(database, of["default"])
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM settings WHERE key = $1", settings.ACCOUNT)

    with pytest.raises(ConfigError, match="'default'"):
        await hold(database, of["other"])


async def test_of_several_from_before_the_first_to_start_keeps_it(
    database: Database, of: Loaded
) -> None:
    """M5.1: a renamed account goes on; two that take turns end here."""
    await hold(database, of["default"])
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM settings WHERE key = $1", settings.ACCOUNT)
        await connection.execute(
            "INSERT INTO leadership (account, token, holder, acquired_at, released_at)"
            " SELECT 'renamed', 1, holder, acquired_at, released_at FROM leadership"
        )

    await hold(database, of["renamed"])

    with pytest.raises(ConfigError, match="'renamed'"):
        await hold(database, of["default"])


async def test_of_two_that_found_a_database_at_once_one_is_refused(
    database: Database, of: Loaded
) -> None:
    """M5.1: neither had seen the other."""
    async with database.transaction() as connection:
        assert await settings.claim(connection, settings.ACCOUNT, "other") == "other"

    with pytest.raises(ConfigError, match="'other'"):
        await hold(database, of["default"])
    await hold(database, of["other"])
