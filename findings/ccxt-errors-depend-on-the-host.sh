#!/usr/bin/env bash
# ccxt 4.5.90 names Binance's futures errors by the host of the URL: elsewhere InsufficientFunds is an ExchangeError.
#
# Expected: {"code":-2019,"msg":"Margin is insufficient."} from /fapi/v1/order raises InsufficientFunds, whatever
# the host that `urls["api"]` points at (a proxy, a gateway, a simulator on loopback).
# Seen on 2026-11-30 (ccxt 4.5.90, Python 3.11): `get_exceptions_by_url` compares with https://fapi.binance.com/,
# demo-fapi and testnet only; on another host neither the linear nor the spot table is read, and codes that stand in no
# common table come out as plain ExchangeError. Codes of the common table (-1021, -1121, -2011) keep their names.
# What follows: whoever puts ccxt behind another host looks at the code in the text, not at the class.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "ccxt==4.5.90"
cat >"$work/look.py" <<'PY'
import sys

import ccxt

BODY = '{"code":-2019,"msg":"Margin is insufficient."}'


def raised_at(host):
    exchange = ccxt.binance()
    url = f"{host}/fapi/v1/order"
    try:
        exchange.handle_errors(400, "Bad Request", url, "POST", {}, BODY, exchange.parse_json(BODY), {}, "")
    except ccxt.BaseError as error:
        return type(error).__name__
    return "nothing"


seen = {host: raised_at(host) for host in ("https://fapi.binance.com", "https://gateway.example", "http://127.0.0.1:8080")}
for host, name in seen.items():
    print(f"{host}: {name}")
sys.exit(0 if list(seen.values()) == ["InsufficientFunds", "ExchangeError", "ExchangeError"] else 1)
PY
"$work/venv/bin/python" "$work/look.py"
