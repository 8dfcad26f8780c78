"""Binance's rules that spot and USDT-M share: signatures, receive windows, limits, errors.

No module below `tests/simulators/binance` imports the daemon: the oracle shares no code with
what it judges.
"""
