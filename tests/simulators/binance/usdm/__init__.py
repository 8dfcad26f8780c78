"""A simulator of Binance USDT-M futures with its own ledger. Imports nothing of the project."""
