#!/usr/bin/env bash
# aiohttp 3.14.5 sends a PUT or a DELETE a second time, by itself and unsaid, where httpx 0.28.1 raises.
#
# Expected: an error, as for POST: the server has closed a kept connection after it had read the request, so nobody
# knows whether it was executed.
# Seen on 2026-11-30 (aiohttp 3.14.5, httpx 0.28.1, Python 3.11), where a server answers once, reads the next request
# whole, and closes:
#   - aiohttp: GET, PUT and DELETE arrive twice, and the caller gets the second answer with status 200; POST raises
#     ServerDisconnectedError after one. No public option of ClientSession turns it off.
#   - httpx: each arrives once, and raises RemoteProtocolError.
# What follows: whoever amends an order by PUT, or counts requests against a limit, does neither through aiohttp unseen.
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

arrived = []


async def serve(reader, writer):
    """Answer the first request of a connection; read the second one, and close."""
    for answer in (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b""):
        try:
            arrived.append((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[:2])
        except asyncio.IncompleteReadError:
            break
        writer.write(answer)
        await writer.drain()
    writer.close()


async def by_aiohttp(url, method):
    async with aiohttp.ClientSession() as session:
        async with session.get(url + "/first") as answer:
            await answer.read()
        async with session.request(method, url + "/order") as answer:
            return answer.status


async def by_httpx(url, method):
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(url + "/first")
        return (await client.request(method, url + "/order")).status_code


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    seen = {}
    for name, ask in (("aiohttp", by_aiohttp), ("httpx", by_httpx)):
        for method in ("POST", "PUT", "DELETE"):
            arrived.clear()
            try:
                told = await ask(url, method)
            except (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError) as error:
                told = type(error).__name__
            seen[name, method] = told, sum(path == b"/order" for _, path in arrived)
            print(f"{name} {method}: the caller gets {told}, {seen[name, method][1]} arrived")
    expected = {
        ("aiohttp", "POST"): ("ServerDisconnectedError", 1),
        ("aiohttp", "PUT"): (200, 2),
        ("aiohttp", "DELETE"): (200, 2),
        **{("httpx", each): ("RemoteProtocolError", 1) for each in ("POST", "PUT", "DELETE")},
    }
    return 0 if seen == expected else 1


sys.exit(asyncio.run(main()))
PY
"$work/venv/bin/python" "$work/look.py"
