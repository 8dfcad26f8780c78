"""What is asked at every entry is a running sum, and what it sums up is a history."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import takewhile
from random import Random

import pytest

from tests.database import PostgresServer
from tests.fakes.trading import BOT, NOON, PLAN, SYMBOL, open_harness, spec
from tests.fakes.venue import SCRIPTED
from tradebotd.domain.funding import FundingPayment
from tradebotd.domain.ids import BotName, PositionId
from tradebotd.domain.instrument import PositionType
from tradebotd.domain.position import CloseReason, Position, PositionTotals
from tradebotd.domain.side import PositionSide
from tradebotd.storage import equity, funding, positions, unvalued_fees
from tradebotd.storage.equity import CashKey
from tradebotd.storage.postgres.database import Connection, Database, open_database
from tradebotd.storage.postgres.migrations import load_migrations, migrate

FULL_SUMS = """
    SELECT p.bot, p.venue, m.quote_asset AS asset, sum(p.realized_pnl) AS realized
      FROM positions AS p JOIN market_symbols AS m USING (symbol)
     GROUP BY p.bot, p.venue, m.quote_asset
"""
LEFT = """
    SELECT venue, symbol, sum(CASE side WHEN 'long' THEN dust ELSE -dust END) AS quantity,
           coalesce(sum(CASE side WHEN 'long' THEN cost ELSE -cost END) FILTER (WHERE closed_at IS NOT NULL), 0) AS cost
      FROM positions WHERE position_type = 'futures' AND dust > 0
     GROUP BY venue, symbol ORDER BY venue, symbol
"""
KEPT = "SELECT venue, symbol, quantity, cost FROM futures_dust ORDER BY venue, symbol"
CLOSED = "SELECT count(*) FROM positions WHERE closed_at IS NOT NULL"
BOTS = {BOT: SYMBOL, BotName("two"): SYMBOL, BotName("third"): "ETHEUR"}
EVENTS = 120
FILES = load_migrations()
# An entry whose fee, in an asset that nobody knows a price of, is not valued yet.
ORDER = """
    INSERT INTO orders (client_order_id, position_id, bot, venue, symbol, role, side, type, time_in_force, position_type,
                        reduce_only, quantity, params_hash, leader_token, send_by, created_at, updated_at, status)
    SELECT 'order' || id, id, bot, venue, symbol, 'entry', 'buy', 'market', 'gtc', position_type, false, 1, 'h', 1,
           opened_at, opened_at, opened_at, 'canceled'
      FROM positions WHERE id = $1
    RETURNING id
"""
FILL = """
    INSERT INTO fills (order_id, position_id, venue, symbol, trade_id, side, quantity, price, fee, fee_asset, executed_at,
                       fee_elsewhere)
    SELECT $2, id, venue, symbol, 'trade' || id, 'buy', 1, 100, $3, 'ODD', opened_at, $3 FROM positions WHERE id = $1
    RETURNING id
"""


class History:
    """Whatever may change what a bot has realized, in any order."""

    def __init__(self, connection: Connection, draw: Random) -> None:
        self._connection = connection
        self._draw = draw
        self._open: dict[BotName, tuple[PositionId, PositionTotals]] = {}
        self._unvalued: list[int] = []
        self._paid = 0

    async def goes_on(self) -> None:
        bot = self._draw.choice(list(BOTS))
        if bot not in self._open:
            await self._opens(bot)
            return
        step = self._draw.choice(
            [self._enters_more, self._exits, self._closes, self._is_paid, self._values]
        )
        await step(bot)

    async def _opens(self, bot: BotName) -> None:
        kind = self._draw.choice(list(PositionType))
        side = (
            PositionSide.LONG
            if kind is PositionType.SPOT
            else self._draw.choice(list(PositionSide))
        )
        books = PositionTotals(
            side=side,
            position_type=kind,
            entry_quantity=Decimal(3),
            entry_cost=self._amount(300),
            fees=self._amount(1),
        )
        position = Position(
            id=PositionId(0),
            bot=bot,
            venue=SCRIPTED,
            symbol=BOTS[bot],
            side=side,
            position_type=kind,
            quantity=books.quantity,
            entry_price=books.entry_price,
            opened_at=NOON,
            stop_loss=None,
            take_profit=None,
            trailing_stop=None,
            best_price=books.entry_price,
            exits=PLAN,
            version=1,
        )
        number = await positions.insert_position(self._connection, position, books, 1)
        self._open[bot] = number, books
        order = await self._connection.fetchval(ORDER, number)
        fee = self._amount(1)
        self._unvalued.append(await self._connection.fetchval(FILL, number, order, fee))

    async def _enters_more(self, bot: BotName) -> None:
        books = await self._books(bot)
        cost, fee = self._amount(100), self._amount(1)
        more = replace(
            books,
            entry_quantity=books.entry_quantity + 1,
            entry_cost=books.entry_cost + cost,
            fees=books.fees + fee,
        )
        await self._keep(bot, more)

    async def _exits(self, bot: BotName) -> None:
        books = await self._books(bot)
        if books.quantity <= 1:
            return
        income = self._amount(100)
        less = replace(
            books,
            exit_quantity=books.exit_quantity + 1,
            exit_proceeds=books.exit_proceeds + income,
            swept_income=books.swept_income + self._amount(1),
        )
        await self._keep(bot, less)

    async def _closes(self, bot: BotName) -> None:
        """With dust."""
        await self._keep(bot, (await self._books(bot)).written_off(), closes=True)
        del self._open[bot]

    async def _is_paid(self, bot: BotName) -> None:
        """Or pays; where it holds futures, and else nobody is."""
        self._paid += 1
        payment = FundingPayment(
            venue=SCRIPTED,
            payment_id=str(self._paid),
            symbol=BOTS[bot],
            amount=self._amount(1) - Decimal("0.5"),
            asset="USDT",
            paid_at=NOON + timedelta(minutes=1),
        )
        await funding.book(self._connection, payment, counts=True)

    async def _values(self, _: BotName) -> None:
        """A fee of any of them, long closed or not."""
        if self._unvalued:
            fill = self._unvalued.pop(self._draw.randrange(len(self._unvalued)))
            await unvalued_fees.value(self._connection, fill, self._amount(500))

    async def _books(self, bot: BotName) -> PositionTotals:
        locked = await positions.lock(self._connection, self._open[bot][0])
        assert locked is not None
        return locked.books

    async def _keep(self, bot: BotName, books: PositionTotals, *, closes: bool = False) -> None:
        closed = (NOON + timedelta(hours=1), CloseReason.SIGNAL) if closes else None
        await positions.update_books(self._connection, self._open[bot][0], books, closed)

    def _amount(self, most: int) -> Decimal:
        return Decimal(self._draw.randrange(1, most * 10**8)) / 10**8


async def full_sums(connection: Connection) -> dict[tuple[str, CashKey], Decimal]:
    return {
        (row["bot"], (row["venue"], row["asset"])): row["realized"]
        for row in await connection.fetch(FULL_SUMS)
    }


async def running_sums(connection: Connection) -> dict[tuple[str, CashKey], Decimal]:
    flows = await equity.select_bot_flows(connection)
    return {
        (flow.bot, purse): realized
        for flow in flows.bots
        for purse, realized in flow.realized.items()
    }


async def closed(connection: Connection) -> int:
    return (await equity.select_bot_flows(connection)).closed


@pytest.mark.parametrize("seed", range(4))
async def test_what_a_bot_has_realized_is_the_sum_of_its_positions(
    database: Database, seed: int
) -> None:
    """M5.8: whatever was booked: entries, exits, dust, funding, fees that were valued late."""
    await open_harness(database, *(spec(bot, symbol) for bot, symbol in BOTS.items()))
    async with database.transaction() as connection:
        history = History(connection, Random(seed))
        for _ in range(EVENTS):
            await history.goes_on()

            assert await running_sums(connection) == await full_sums(connection)
            assert await connection.fetch(KEPT) == await connection.fetch(LEFT)
            assert await closed(connection) == await connection.fetchval(CLOSED)

        assert len(await full_sums(connection)) == len(BOTS)
        assert await connection.fetch(KEPT) != []


async def test_a_history_of_before_the_sums_is_in_them(postgres_server: PostgresServer) -> None:
    """M5.8: a database that an earlier version has filled says the same after the migration."""
    older = takewhile(lambda each: each.name != "what_each_bot_has_realized", FILES)
    async with (
        postgres_server.fresh_database("template1") as dsn,
        open_database(dsn, pool_min=1, pool_max=3) as database,
    ):
        await migrate(database, tuple(older))
        await open_harness(database, *(spec(bot, symbol) for bot, symbol in BOTS.items()))
        async with database.transaction() as connection:
            history = History(connection, Random(1))
            for _ in range(EVENTS):
                await history.goes_on()

        await migrate(database, FILES)

        async with database.connection() as connection:
            assert await running_sums(connection) == await full_sums(connection) != {}
            assert await connection.fetch(KEPT) == await connection.fetch(LEFT) != []
            assert await closed(connection) == await connection.fetchval(CLOSED) != 0
