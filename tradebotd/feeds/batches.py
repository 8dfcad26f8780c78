"""Batches of what a provider takes so many of at once."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def batched(all_: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """Yield *all_* in their order, at most *most* at a time."""
    left = iter(all_)
    while some := tuple(islice(left, most)):
        yield some
