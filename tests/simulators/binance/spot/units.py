"""Times of an answer in microseconds, for clients that ask for those."""

from typing import Any

TIMES = frozenset({
    "serverTime", "transactTime", "transactionTime", "time", "updateTime", "workingTime", "closeTime",
    "openTime", "timestamp", "trailingTime", "createTime", "T", "E", "O", "W", "u", "t", "D", "retryAfter",
})  # fmt: skip
NOT_TIMES = frozenset({"u", "t"})  # of market streams and trades: ids


def in_microseconds(body: Any, *, times: frozenset[str] = TIMES - NOT_TIMES) -> Any:
    """Multiply every time in *body*; a candle's are its first and its seventh figure."""
    if isinstance(body, dict):
        return {
            name: value * 1000
            if name in times and type(value) is int and value > 0
            else in_microseconds(value, times=times)
            for name, value in body.items()
        }
    if isinstance(body, list):
        if len(body) == 12 and type(body[0]) is int and type(body[6]) is int:
            return [body[0] * 1000, *body[1:6], body[6] * 1000, *body[7:]]
        return [in_microseconds(each, times=times) for each in body]
    return body


def event_in_microseconds(event: dict[str, Any]) -> dict[str, Any]:
    """Multiply an event's times: which names are times depends on the event."""
    more = {"outboundAccountPosition": {"u"}, "kline": {"t"}, "referencePrice": {"t"}}
    times = TIMES - NOT_TIMES | more.get(event.get("e", ""), set())
    if event.get("e") == "executionReport":
        times = frozenset({"E", "T", "O", "W", "D"})
    changed: dict[str, Any] = in_microseconds(event, times=frozenset(times))
    return changed
