#!/usr/bin/env bash
# aiohttp 3.14.5 sends another query than the text that it was given: %3A and %2F go out as ":" and "/".
#
# Expected: session.get("http://…/?id=a%3Ab") asks for ?id=a%3Ab, as httpx 0.28.1 does.
# Seen on 2026-11-30 (aiohttp 3.14.5, yarl of the same day, Python 3.11): a URL given as text is quoted anew, and what
# need not be encoded in a query is decoded: %3A, %2F, %40, %3F, %24 … A signature over the text that the program has made
# (Binance: over the percent-encoded query) does not fit the one that arrives: -1022 for a client order id with a colon.
# yarl.URL(text, encoded=True) is sent as it is.
# What follows: signed URLs are given to aiohttp as yarl.URL(…, encoded=True), never as text.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "aiohttp==3.14.5" "httpx==0.28.1"
cat >"$work/look.py" <<'PY'
import asyncio
import sys

import aiohttp
import httpx
from aiohttp import web
from yarl import URL

ASKED = "id=a%3Ab%2Fc%40d"


async def main():
    arrived = []

    async def keep(request):
        arrived.append(request.raw_path.partition("?")[2])
        return web.Response()

    app = web.Application()
    app.router.add_get("/", keep)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/?{ASKED}"
    async with aiohttp.ClientSession() as session:
        await session.get(url)
        await session.get(URL(url, encoded=True))
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url)
    await runner.cleanup()
    for how, query in zip(("aiohttp, text", "aiohttp, encoded URL", "httpx, text"), arrived, strict=True):
        print(f"{how}: {query}")
    return arrived == ["id=a:b/c@d", ASKED, ASKED]


sys.exit(0 if asyncio.run(main()) else 1)
PY
"$work/venv/bin/python" "$work/look.py"
