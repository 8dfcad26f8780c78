"""`tradebotd check`: needs no running daemon, database or event loop."""

import sys
from pathlib import Path

from tradebotd.config.bot_checks import trigger_notes
from tradebotd.config.load import find_config
from tradebotd.config.model import Config
from tradebotd.config.zone_database import in_words
from tradebotd.daemon.calendar_files import calendar_warnings, data_spans, other_names
from tradebotd.daemon.place_checks import PlaceFindings, look_at_places
from tradebotd.daemon.recorded_file_words import notes_of, read_of, warnings_of
from tradebotd.daemon.wiring.files import load
from tradebotd.domain.instrument import ALWAYS_OPEN


def check(given: Path | None) -> int:
    """Check all that can be known without starting; print warnings and notes.

    Raises ConfigError with every problem.
    """
    path = find_config(given)
    places = PlaceFindings()

    def of_places(read: Config) -> list[str]:
        nonlocal places
        places = look_at_places(read)
        return places.problems

    config, files = load(path, of_places)
    sys.stdout.write(
        f"{path}: good: {_count(len(files.symbols), 'symbol')}, {_count(len(config.bots), 'bot')},"
        f" {_count(len(files.specs), 'job')}, {_state(config)}, {in_words()}\n"
    )
    spans = data_spans(config, files.symbols, files.recordings)
    warnings = [str(warning) for warning in files.warnings]
    warnings += calendar_warnings(files.symbols, files.calendars, spans)
    warnings += places.warnings
    warnings += files.idle_bots(config)
    always_open = {symbol.symbol for symbol in files.symbols if symbol.calendar == ALWAYS_OPEN}
    notes = [*places.notes, *other_names(config)]
    for feed, recordings in files.recordings.items():
        warnings += warnings_of(feed, recordings)
        notes += [*read_of(feed, recordings, always_open), *notes_of(feed, recordings)]
    notes += [config.told(note) for note in trigger_notes(config)]
    for warning in warnings:
        sys.stdout.write(f"  warning: {config.told(warning)}\n")
    for note in notes:
        sys.stdout.write(f"  note: {note}\n")
    return 0


def _state(config: Config) -> str:
    if config.state_dir_is_said:
        return f"state in {config.state_dir}"
    return f"state in {config.state_dir} (a service's: in its StateDirectory)"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
