"""Binance spot: ledger, matching, REST, WebSocket API and market streams on loopback."""
