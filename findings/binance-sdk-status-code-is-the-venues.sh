#!/usr/bin/env bash
# binance-common 4.7.0 (the official SDKs): an error's `status_code` is the venue's code, not HTTP's status.
#
# Expected: BadRequestError.status_code == 400 for an answer 400 {"code":-2019,…}, the code in a field of its own.
# Seen on 2026-11-30 (binance-common 4.7.0, binance-sdk-derivatives-trading-usds-futures 18.1.0, Python 3.11): it is
# -2019. The HTTP status is in the class alone (BadRequestError, UnauthorizedError …), the venue's code has no other name.
# What follows: `if error.status_code == 400` is never true; compare it with the venue's codes.
# Ends with 0 while this is so, with 1 when it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "binance-sdk-derivatives-trading-usds-futures==18.1.0" "binance-common==4.7.0"
cat >"$work/look.py" <<'PY'
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)


class Refusing(BaseHTTPRequestHandler):
    def do_POST(self):
        body = b'{"code":-2019,"msg":"Margin is insufficient."}'
        self.send_response(400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


server = HTTPServer(("127.0.0.1", 0), Refusing)
threading.Thread(target=server.serve_forever, daemon=True).start()
configuration = ConfigurationRestAPI(api_key="k", api_secret="s", base_path=f"http://127.0.0.1:{server.server_port}")
client = DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api
try:
    client.new_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity=1.0)
    seen = None
except BadRequestError as error:
    seen = error.status_code
print(f"HTTP 400, code -2019: status_code is {seen}")
sys.exit(0 if seen == -2019 else 1)
PY
env -u http_proxy -u https_proxy -u HTTP_PROXY -u HTTPS_PROXY "$work/venv/bin/python" "$work/look.py"
