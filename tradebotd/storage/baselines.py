"""Times when baselines (holdings before us) were measured, and transfers reported later.

A transfer made before its asset's baseline was measured is part of it, whenever it is reported.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tradebotd.domain.ids import VenueName
from tradebotd.domain.transfer import Transfer
from tradebotd.storage import settings
from tradebotd.storage.postgres.database import Connection

MEASURED_AT: Final = "spot_baselines_at"  # {venue: {asset: time}}
TOLD_LATER: Final = "spot_baselines_told"  # {venue: {asset: sum of transfers}}


async def measured(
    connection: Connection, venue: VenueName, assets: Iterable[str], at: datetime
) -> None:
    """Store when *assets* were measured, in the transaction that stores their baselines."""
    stored: Any = await settings.lock(connection, MEASURED_AT) or {}
    stored[venue] = stored.get(venue, {}) | dict.fromkeys(assets, at.isoformat())
    await settings.put(connection, MEASURED_AT, stored)


async def count_in(connection: Connection, transfer: Transfer) -> None:
    """Count *transfer* if the baseline includes it, in the transaction that books it."""
    times: Any = await settings.lock(connection, MEASURED_AT) or {}
    at = times.get(transfer.venue, {}).get(transfer.asset)
    if at is None or datetime.fromisoformat(at) < transfer.at:
        return
    stored: Any = await settings.lock(connection, TOLD_LATER) or {}
    here = stored.setdefault(transfer.venue, {})
    here[transfer.asset] = str(Decimal(here.get(transfer.asset, "0")) + transfer.amount)
    await settings.put(connection, TOLD_LATER, stored)


async def reported_later(connection: Connection, venue: VenueName) -> dict[str, Decimal]:
    """Return, by asset, the sum of later reported transfers that its baseline includes."""
    stored: Any = await settings.get(connection, TOLD_LATER) or {}
    return {asset: Decimal(amount) for asset, amount in stored.get(venue, {}).items()}
