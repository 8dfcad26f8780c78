"""The bots as an operator reads them: what they do, what they earned today, what they decided."""

from tradebotd.control.messages.bots import Bot, BotDetail, Decision
from tradebotd.control.messages.positions import Trade
from tradebotd.daemon.operator.position_view import PositionView
from tradebotd.daemon.operator.refusals import unknown
from tradebotd.daemon.operator.status_view import StatusView
from tradebotd.daemon.operator.todays_pnl import TodaysPnl
from tradebotd.domain.refusal import RefusalCode
from tradebotd.ports.clock import Clock
from tradebotd.storage import reports
from tradebotd.storage.postgres.database import Database

RECENT = 10


class BotView:
    """Raises RefusedError for a bot that there is not."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        today: TodaysPnl,
        status: StatusView,
        positions: PositionView,
    ) -> None:
        self._database = database
        self._clock = clock
        self._today = today
        self._status = status
        self._positions = positions

    async def bots(self) -> list[Bot]:
        async with self._database.connection() as connection:
            rows = await reports.bots(connection)
        return [Bot(**self._shown(row)) for row in rows]

    async def bot(self, name: str) -> Bot:
        return Bot(**self._shown(await self._known(name)))

    async def detail(self, name: str) -> BotDetail:
        row = await self._known(name)
        positions = [
            position for position in await self._positions.positions() if position.bot == name
        ]
        async with self._database.connection() as connection:
            return BotDetail(
                **self._shown(row),
                config=await reports.bot_config(connection, name),
                position=positions[0] if positions else None,
                trades=[
                    Trade(**each)
                    for each in await reports.trades(connection, bot=name, limit=RECENT)
                ],
                decisions=[
                    Decision(**each) for each in await reports.decisions(connection, name, RECENT)
                ],
            )

    async def check_name(self, name: str) -> None:
        await self._known(name)

    async def _known(self, name: str) -> reports.Row:
        async with self._database.connection() as connection:
            rows = await reports.bots(connection)
        known = {row["name"]: row for row in rows}
        if name not in known:
            raise unknown(RefusalCode.UNKNOWN_BOT, "bot", name, sorted(known))
        return known[name]

    def _shown(self, row: reports.Row) -> reports.Row:
        """Add the P&L in the account's currency, where the bot trades, and what it is doing."""
        known, waiting = self._today.counted(row)
        currency = self._today.currencies.currency
        money: reports.Row = {
            "daily_pnl": known,
            "daily_unconverted": waiting,
            "currency": currency,
        }
        held = bool(row["in_position"])
        venue = self._status.venue_of(row["symbol"])
        if venue is not None:
            money |= {"venue": venue.name, "place": venue.place}
        return {**row, **money, "doing": self._status.doing(row, self._clock.now(), held=held)}
