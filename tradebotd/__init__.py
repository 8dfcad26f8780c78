"""An asyncio-native, single-process trading daemon that proves that it works."""

__version__ = "0.1.0"
