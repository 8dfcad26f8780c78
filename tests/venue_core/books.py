"""What PostgreSQL says of a run, read by the daemon's own pool, and how it differs from the venue."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.venue_core.places.place import Entered, Place
from tradebotd.storage.postgres.database import Database

NONE = Decimal(0)
BASE = """
    SELECT coalesce(sum(CASE f.side WHEN 'buy' THEN f.quantity ELSE -f.quantity END
                        - CASE WHEN f.fee_asset = m.base_asset THEN f.fee ELSE 0 END), 0)
      FROM fills AS f JOIN market_symbols AS m USING (symbol)
"""
QUOTE = """
    SELECT coalesce(sum(CASE f.side WHEN 'buy' THEN -f.quantity * f.price ELSE f.quantity * f.price END
                        - CASE WHEN f.fee_asset = m.quote_asset THEN f.fee ELSE 0 END), 0)
      FROM fills AS f JOIN market_symbols AS m USING (symbol)
"""
POSITIONS = """
    SELECT coalesce(sum(CASE side WHEN 'long' THEN 1 ELSE -1 END * (quantity + dust - swept)), 0)
      FROM positions
"""
REALIZED = "SELECT coalesce(sum(realized_pnl), 0) FROM positions"
ENDED = frozenset({"filled", "canceled", "expired", "rejected"})


@dataclass(frozen=True)
class Books:
    database: Database

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self.database.connection() as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]

    async def value(self, sql: str, *values: object) -> Any:
        async with self.database.connection() as connection:
            return await connection.fetchval(sql, *values)

    async def orders(self) -> list[dict[str, Any]]:
        return await self.rows("SELECT * FROM orders ORDER BY id")

    async def alerts(self) -> set[tuple[str, str]]:
        """Code and subject of those that are open."""
        rows = await self.rows("SELECT code, subject FROM alerts WHERE cleared_at IS NULL")
        return {(row["code"], row["subject"]) for row in rows}

    async def differences(self, place: Place) -> list[str]:
        """How orders, fills, holdings and cash differ from the venue's ledger."""
        theirs = {each.client_order_id: each for each in place.orders()}
        rows = await self.orders()
        found = [] if len(theirs) == len(place.orders()) else ["a client id was taken twice"]
        for row in rows:
            found += await self._order(row, theirs.pop(row["client_order_id"], None))
        found += [f"the venue has {name}, we do not" for name in theirs]
        held, bought = place.held(), await self.value(BASE)
        if held != bought:
            found.append(f"the venue holds {held}, our fills make {bought}")
        if (ours := await self.value(POSITIONS)) != held:
            found.append(f"the venue holds {held}, our positions are {ours}")
        return found + await self._cash(place, held)

    async def _cash(self, place: Place, held: Decimal) -> list[str]:
        """Spot: what was paid. Futures: what is realized, once nothing is held."""
        if place.kind != "binance_usdm":
            ours = await self.value(QUOTE)
        elif held == 0:
            ours = await self.value(REALIZED)
        else:
            return []
        cash = place.cash()
        return [] if abs(cash - ours) < Decimal("1e-8") else [f"cash is {cash}, not {ours}"]

    async def _order(self, row: dict[str, Any], there: Entered | None) -> list[str]:
        name, status = row["client_order_id"], row["status"]
        fills = await self.rows("SELECT * FROM fills WHERE order_id = $1", row["id"])
        filled = sum((each["quantity"] for each in fills), NONE)
        if there is None:
            odd = bool(fills) or status not in ENDED
            return [f"{name} is {status} with {filled}, and not at the venue"] if odd else []
        spent = sum((each["quantity"] * each["price"] for each in fills), NONE)
        fees: dict[str, Decimal] = defaultdict(Decimal)
        for each in fills:
            fees[each["fee_asset"]] += each["fee"]
        ours = (filled, spent, {asset: fee for asset, fee in fees.items() if fee})
        told = (there.executed, there.spent, dict(there.fees))
        found = [] if ours == told else [f"{name}: the venue has {told}, we {ours}"]
        if row["filled_quantity"] != filled:
            found.append(f"{name} says {row['filled_quantity']}, its fills {filled}")
        if there.is_open == (status in ENDED):
            found.append(f"{name} is {status}, and open there: {there.is_open}")
        return found
