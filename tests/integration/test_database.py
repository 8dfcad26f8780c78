from tradebotd.storage.database import Database


async def test_a_ping_reaches_the_server(database: Database) -> None:
    await database.ping()

    assert database.available
