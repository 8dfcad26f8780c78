#!/usr/bin/env bash
# alpaca-py 0.44.0 cannot read an asset without easy_to_borrow, a field that is beyond its sunset.
#
# Expected: a field that the vendor deprecated on 2026-06-22 (sunset 2026-09-22, borrow_status instead)
# is optional in its own client, as the three fields of the day trader rule became in 0.44.0.
# Seen on 2026-11-30 (alpaca-py 0.44.0, pydantic 2.14.4, Python 3.11):
#   - Asset(**asset) raises a ValidationError without easy_to_borrow, and has no borrow_status.
#   - one such asset makes the whole list unreadable.
#   - TradeUpdate.event is annotated Union[TradeEvent, str] and never is a TradeEvent: pydantic takes
#     the str of the JSON as it is, so `update.event.value` is an AttributeError; `==` works.
# What follows: read assets as JSON, by borrow_status, and compare events as text.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "alpaca-py==0.44.0" "pydantic==2.14.4"
cat >"$work/look.py" <<'PY'
import sys

from alpaca.trading.enums import TradeEvent
from alpaca.trading.models import Asset, TradeUpdate
from pydantic import TypeAdapter, ValidationError

ASSET = {
    "id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "class": "us_equity", "exchange": "NASDAQ",
    "symbol": "AAPL", "name": "Apple", "status": "active", "tradable": True, "marginable": True,
    "shortable": True, "fractionable": True, "borrow_status": "easy_to_borrow",
}
ORDER = {
    "id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415", "client_order_id": "one", "order_class": "",
    "created_at": "2026-11-30T15:00:00Z", "updated_at": "2026-11-30T15:00:00Z",
    "submitted_at": "2026-11-30T15:00:00Z", "time_in_force": "day", "status": "new",
    "extended_hours": False,
}


def readable(kind, told):
    try:
        TypeAdapter(kind).validate_python(told)
    except ValidationError:
        return False
    return True


update = TradeUpdate(event="fill", order=ORDER, timestamp="2026-11-30T15:00:00Z")
seen = {
    "an asset with easy_to_borrow": readable(Asset, ASSET | {"easy_to_borrow": True}),
    "an asset without it": readable(Asset, ASSET),
    "a list with one of these": readable(list[Asset], [ASSET | {"easy_to_borrow": True}, ASSET]),
    "Asset has borrow_status": "borrow_status" in Asset.model_fields,
    "an event is a TradeEvent": isinstance(update.event, TradeEvent),
    "an event equals TradeEvent.FILL": update.event == TradeEvent.FILL,
}
for what, value in seen.items():
    print(f"{what}: {value}")
sys.exit(0 if list(seen.values()) == [True, False, False, False, False, True] else 1)
PY
"$work/venv/bin/python" "$work/look.py"
