"""Entries: admission, price, size, and the orders that rest at a venue."""
