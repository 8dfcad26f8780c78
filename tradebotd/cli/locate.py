"""Where the daemon's socket is, by the very rules the daemon itself follows."""

import os
from collections.abc import Mapping
from pathlib import Path

from tradebotd.cli.errors import EXIT_CONFIG, CommandError

SOCKET = "tradebotd.sock"
SEARCHED = (Path("config.toml"), Path("/etc/tradebotd/config.toml"))


def find_socket(
    given: str | None, config: str | None, environment: Mapping[str, str] = os.environ
) -> Path:
    """`--socket`, `--config`, $TRADEBOTD_SOCKET, the config's, the default. Raises CommandError."""
    if given is not None:
        return Path(given)
    if config is None and (named := environment.get("TRADEBOTD_SOCKET")):
        return Path(named)
    path = _config_path(config, environment)
    daemon = {} if path is None else _daemon_section(path)
    directory = Path() if path is None else path.parent.absolute()
    if socket := daemon.get("socket"):
        return directory / Path(socket).expanduser()
    if runtime := environment.get("RUNTIME_DIRECTORY"):
        return Path(runtime.split(":")[0]) / SOCKET
    if state_dir := daemon.get("state_dir"):
        return directory / Path(state_dir).expanduser() / SOCKET
    return _default_state_dir(environment) / SOCKET


def _config_path(given: str | None, environment: Mapping[str, str]) -> Path | None:
    if given is not None:
        return Path(given)
    if named := environment.get("TRADEBOTD_CONFIG"):
        return Path(named)
    return next((path for path in SEARCHED if path.is_file()), None)


def _daemon_section(path: Path) -> dict[str, str]:
    """Raises CommandError: there is no such file, or it is not TOML."""
    import tomllib  # noqa: PLC0415 - not paid for when the socket is named

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
    return (Path(home) if home else Path("~/.local/state").expanduser()) / "tradebotd"
