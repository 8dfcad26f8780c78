"""Entries: whether one may be made, at which price and size, and those that rest at a venue."""
