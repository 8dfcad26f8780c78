"""Configurations as text for the tests of the configuration."""

from pathlib import Path

SMALLEST = """
[feeds.history]
kind = "synthetic"
[venues.paper]
kind = "paper"
[[symbols]]
symbol = "BTCUSDT"
feeds = ["history"]
venue = "paper"
"""

ONE_BOT = (
    SMALLEST
    + """
[[bots]]
name = "btc-ema"
symbol = "BTCUSDT"
strategy = "ema_rsi"
"""
)


def written(directory: Path, text: str, name: str = "config.toml") -> Path:
    file = directory / name
    file.write_text(text)
    return file
