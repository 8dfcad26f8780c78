"""Endpoints below /sapi that only read: the key's restrictions, deposits, withdrawals, transfers.

None that moves money is here: a client that asks for one finds nothing.
"""

from datetime import UTC, datetime
from typing import Any

from tests.simulators.binance.errors import refusal
from tests.simulators.binance.spot.calls import Call, Endpoint, names
from tests.simulators.binance.spot.figures import integer_of, shown, time_of
from tests.simulators.binance.spot.venue import Transfer

DAY_MS = 86_400_000


def restrictions(call: Call) -> Any:
    """Tell what the key may: thirteen fields, all true or false but createTime."""
    assert call.key is not None
    return dict(call.key.restrictions) | {"createTime": call.key.created_ms}


def deposits(call: Call) -> Any:
    rows = _moved(call, "deposit", call.params.get("coin"))
    return [
        {
            "id": str(each.id),
            "amount": _plain(shown(each.amount)),
            "coin": each.asset,
            "network": each.asset,
            "status": 1,
            "address": "sim",
            "addressTag": "",
            "txId": f"sim{each.id:061d}",
            "insertTime": each.time_ms,
            "completeTime": each.time_ms,
            "transferType": 0,
            "confirmTimes": "1/1",
            "unlockConfirm": 1,
            "walletType": 0,
            "travelRuleStatus": 0,
        }
        for each in rows
    ]


def withdrawals(call: Call) -> Any:
    rows = _moved(call, "withdrawal", call.params.get("coin"))
    return [
        {
            "id": f"{each.id:032x}",
            "amount": _plain(shown(each.amount)),
            "transactionFee": _plain(shown(each.fee)),
            "coin": each.asset,
            "status": 6,
            "address": "sim",
            "txId": f"sim{each.id:061d}",
            "applyTime": _clock_text(each.time_ms),
            "network": each.asset,
            "transferType": 0,
            "info": "",
            "confirmNo": 1,
            "walletType": 0,
            "txKey": "",
            "completeTime": _clock_text(each.time_ms),
        }
        for each in rows
    ]


def transfers(call: Call) -> Any:
    """List moves between the owner's wallets, newest first, page by page, one type at a time."""
    kind = call.params.get("type")
    if not kind:
        raise refusal(-1102, "type")
    start, end = time_of(call.params, "startTime"), time_of(call.params, "endTime")
    if start is None and end is None:
        start = call.venue.now_ms() - 7 * DAY_MS
    there = [
        each
        for each in reversed(call.venue.transfers)
        if each.account == call.owner.name and each.kind == kind and _within(each, start, end)
    ]
    size = min(integer_of(call.params, "size") or 10, 100)
    first = ((integer_of(call.params, "current") or 1) - 1) * size
    rows = [
        {
            "asset": each.asset,
            "amount": _plain(shown(each.amount)),
            "type": each.kind,
            "status": "CONFIRMED",
            "tranId": each.id,
            "timestamp": each.time_ms,
        }
        for each in there[first : first + size]
    ]
    return {"total": len(there), "rows": rows}


def _moved(call: Call, kind: str, coin: str | None) -> list[Transfer]:
    """List transfers of *kind*, newest first; without times, those of 90 days."""
    start, end = time_of(call.params, "startTime"), time_of(call.params, "endTime")
    now = call.venue.now_ms()
    begin, finish = start or now - 90 * DAY_MS, end or now
    if finish - begin > 90 * DAY_MS:
        raise refusal(-1127, 90 * 24)
    there = [
        each
        for each in reversed(call.venue.transfers)
        if each.account == call.owner.name
        and each.kind == kind
        and coin in {None, each.asset}
        and begin <= each.time_ms <= finish
    ]
    first = integer_of(call.params, "offset") or 0
    return there[first : first + min(integer_of(call.params, "limit") or 1000, 1000)]


def _within(each: Transfer, start: int | None, end: int | None) -> bool:
    return (start is None or each.time_ms >= start) and (end is None or each.time_ms <= end)


def _plain(number: str) -> str:
    """Print without trailing zeros, as the wallet's endpoints do."""
    return number.rstrip("0").rstrip(".")


def _clock_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


HISTORY = "coin status startTime endTime offset limit"
ENDPOINTS = (
    Endpoint(
        "GET", "/sapi/v1/account/apiRestrictions", restrictions, 1, names(""), "USER_DATA",
        word="restrictions",
    ),
    Endpoint(
        "GET", "/sapi/v1/capital/deposit/hisrec", deposits, 1,
        names(f"{HISTORY} includeSource txId"), "USER_DATA", word="transfers",
    ),
    Endpoint(
        "GET", "/sapi/v1/capital/withdraw/history", withdrawals, 1,
        names(f"{HISTORY} withdrawOrderId idList"), "USER_DATA", word="transfers",
    ),
    Endpoint(
        "GET", "/sapi/v1/asset/transfer", transfers, 1,
        names("type startTime endTime current size fromSymbol toSymbol"), "USER_DATA",
        word="transfers",
    ),
)  # fmt: skip
