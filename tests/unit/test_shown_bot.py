"""How `bots show` says for how much of a position a stop rests at the venue."""

import pytest

from tradebotd.cli.shown import resting_words


@pytest.mark.parametrize(
    ("rests", "words"),
    [
        ("10.4", "a stop rests at the venue for all of it, 10.4"),
        ("10", "a stop rests at the venue for 10 of 10.4; the daemon alone guards the rest"),
    ],
)
def test_it_is_said_what_the_daemon_alone_guards(rests: str, words: str) -> None:
    """M5.7, N25."""
    assert resting_words({"resting_quantity": rests, "quantity": "10.4"}) == words
