"""Account of a database: one database serves one, since its rows do not say whose they are."""

from tradebotd.domain.errors import ConfigError
from tradebotd.storage import leadership, settings
from tradebotd.storage.postgres.database import Connection, Database


async def refuse_another_account(connection: Connection, account: str) -> None:
    """Refuse an account that the database is not of, before anything is written.

    One from before that was stored belongs to the accounts that have held it. Raises ConfigError.
    """
    owner = await settings.get(connection, settings.ACCOUNT)
    known = await leadership.known_accounts(connection) if owner is None else [str(owner)]
    if known and account not in known:
        raise ConfigError([_refusal(account, known)])


async def claim_database(database: Database, account: str) -> None:
    """Store whose the database is. Raises ConfigError if another account was faster."""
    async with database.transaction(durable=True) as connection:
        owner = await settings.claim(connection, settings.ACCOUNT, account)
    if owner != account:
        raise ConfigError([_refusal(account, [str(owner)])])


def _refusal(account: str, known: list[str]) -> str:
    owners = " and ".join(map(repr, known))
    return (
        f"daemon.account: {account!r}, and this database is the one of {owners}; one database"
        f" serves one account: name another database, or the account {known[0]!r}"
    )
