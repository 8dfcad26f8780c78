"""Location of the daemon's socket, found by the same rules that the daemon follows."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path

from tradebotd.cli.errors import EXIT_CONFIG, EXIT_USAGE, CommandError

SOCKET = "tradebotd.sock"
SERVICE_SOCKET = Path("/run/tradebotd") / SOCKET  # RuntimeDirectory= of systemd/tradebotd.service
PROBE_SECONDS = 0.5
SERVICE_CONFIG = Path("/etc/tradebotd/config.toml")
SEARCHED = (Path("config.toml"), SERVICE_CONFIG)


def find_socket(
    given: str | None, config: str | None, environment: Mapping[str, str] = os.environ
) -> Path:
    """Find the socket: `--socket`, `--config`, $TRADEBOTD_SOCKET, the config's, the default.

    Without an explicit choice the service's socket counts as much as the default: the one that
    answers is used. Raises CommandError.
    """
    if given is not None:
        return Path(given)
    if config is None and (named := environment.get("TRADEBOTD_SOCKET")):
        return Path(named)
    path = _config_path(config, environment)
    daemon = {} if path is None else _daemon_section(path)
    directory = Path() if path is None else path.parent.absolute()
    if said := daemon.get("socket"):
        return directory / _at_home(said)
    if runtime := environment.get("RUNTIME_DIRECTORY"):
        return Path(runtime.split(":")[0]) / SOCKET
    if state_dir := daemon.get("state_dir"):
        default = directory / _at_home(state_dir) / SOCKET
        return _living(default, SERVICE_SOCKET) if path == SERVICE_CONFIG else default
    default = _default_state_dir(environment) / SOCKET
    return default if environment.get("STATE_DIRECTORY") else _living(default, SERVICE_SOCKET)


def _living(default: Path, service: Path) -> Path:
    """Return the socket that answers, *default* if neither does.

    Raises CommandError if both do: a command must not reach the wrong daemon.
    """
    if not _answers(service):
        return default
    if _answers(default):
        message = f"two daemons are running, on {default} and on {service}"
        raise CommandError(EXIT_USAGE, "usage", message, "name one of them with --socket")
    return service


def _answers(path: Path) -> bool:
    """Return whether a process listens, or may listen but only another user could tell."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            return False
        except OSError:  # no permission, a full backlog: a process listens
            return True
    return True


def _config_path(given: str | None, environment: Mapping[str, str]) -> Path | None:
    if given is not None:
        return Path(given)
    if named := environment.get("TRADEBOTD_CONFIG"):
        return Path(named)
    return next((path for path in SEARCHED if path.is_file()), None)


def _daemon_section(path: Path) -> dict[str, str]:
    """Read the `[daemon]` table. Raises CommandError if the file is missing or not TOML."""
    import tomllib  # noqa: PLC0415 - not needed when the socket is named

    try:
        section = tomllib.loads(path.read_text(encoding="utf-8")).get("daemon", {})
    except OSError as error:
        raise CommandError(EXIT_CONFIG, "configuration", f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path}: not TOML: {error}"
        raise CommandError(EXIT_CONFIG, "configuration", message) from error
    if not isinstance(section, dict):
        return {}
    return {key: value for key, value in section.items() if isinstance(value, str)}


def _default_state_dir(environment: Mapping[str, str]) -> Path:
    if given := environment.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])
    home = environment.get("XDG_STATE_HOME")
    return (Path(home) if home else _at_home("~/.local/state")) / "tradebotd"


def _at_home(written: str) -> Path:
    try:
        return Path(written).expanduser()
    except RuntimeError:  # there is no such user, or no home: the daemon refuses it
        return Path(written)
