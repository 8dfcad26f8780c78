"""Location of a configuration's database, for commands that must find one and never create it.

A configuration may leave `state_dir` to the environment: systemd's for the service, a home
directory for a user. The service's database is not in the home of the root who maintains it.
"""

from pathlib import Path
from typing import Final

from tradebotd.config.model import Config
from tradebotd.control.server import answers
from tradebotd.daemon.place_checks import SERVICE_RUNTIME, SERVICE_STATE
from tradebotd.domain.errors import AccountTakenError, ConfigError, NoDatabaseError
from tradebotd.storage.postgres.embedded import has_cluster

SOCKET: Final = "tradebotd.sock"

SAY_WHICH: Final = "say which by daemon.state_dir or $STATE_DIRECTORY"


def located(config: Config) -> Config:
    """Return *config* with the state_dir that holds a database. Blocks.

    Raises NoDatabaseError that names the places searched, ConfigError if there are several.
    """
    if config.database.url != "embedded":
        return config
    places = _places(config)
    found = [place for place in places if _holds_one(place)]
    if not found:
        raise NoDatabaseError(
            f"there is no database here: nothing has run in {_listed(places)}"
            + ("" if len(places) == 1 else f"; if it is elsewhere, {SAY_WHICH}")
        )
    if len(found) > 1:
        raise ConfigError([f"daemon.state_dir: a database is in {_listed(found)}; {SAY_WHICH}"])
    return config if found == [config.state_dir] else config.kept_in(found[0])


def placed(config: Config) -> Config:
    """Return *config* with its database, for a command that may create one. Blocks.

    Raises ConfigError when there are several, or when a second one would be made beside the
    service's.
    """
    try:
        return located(config)
    except NoDatabaseError:
        return config


def refuse_a_second_one(config: Config) -> None:
    """Raise ConfigError if a database would be created here beside the service's. Blocks."""
    if config.database.url != "embedded" or _holds_one(config.state_dir):
        return
    for place in _places(config)[1:]:
        try:
            is_there = has_cluster(place)
        except PermissionError:
            continue  # not ours to use, so it is not what is meant
        if is_there:
            problem = f"there is no database in {config.state_dir}, but the service's is in {place}"
            raise ConfigError([f"daemon.state_dir: {problem}; {SAY_WHICH}"])


def refuse_beside_a_daemon(config: Config) -> None:
    """Raise AccountTakenError while a daemon answers on a socket of this configuration. Blocks.

    The kernel's lock and the leadership are checked when the database is opened.
    """
    for path in _sockets(config):
        try:
            path.lstat()
        except PermissionError as error:
            raise AccountTakenError(
                f"{path.parent} cannot be looked into, so a daemon may be running there"
            ) from error
        except OSError:
            continue
        if answers(path):
            raise AccountTakenError(
                f"a daemon is running, it answers on {path}: `tradebotctl --socket {path} flatten`,"
                " or stop it first where it is still starting or stands by"
            )


def _places(config: Config) -> list[Path]:
    """Return the configured directory, and the service's if the configuration names none."""
    own = config.state_dir
    if config.state_dir_is_said or own == SERVICE_STATE:
        return [own]
    return [own, SERVICE_STATE]


def _sockets(config: Config) -> list[Path]:
    sockets = [config.socket]
    if config.daemon.socket is None and not config.state_dir_is_said:
        sockets += [SERVICE_RUNTIME / SOCKET, SERVICE_STATE / SOCKET]
    return sockets


def _holds_one(place: Path) -> bool:
    """Return whether there is a database. Raises ConfigError if this user may not look."""
    try:
        return has_cluster(place)
    except PermissionError as error:
        raise ConfigError(
            [f"daemon.state_dir: {place} cannot be looked into by this user; {SAY_WHICH}"]
        ) from error


def _listed(places: list[Path]) -> str:
    return " and in ".join(str(place) for place in places)
