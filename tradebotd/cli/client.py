"""HTTP over the daemon's Unix socket."""

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple  # dataclasses would cost 5 ms of inspect
from urllib.parse import quote, urlencode

from tradebotd.cli.errors import BY_STATUS, EXIT_NO, EXIT_UNREACHABLE, CommandError
from tradebotd.cli.unix_http import Connection, ProtocolError, Response

ANSWER_SECONDS = 20.0
PRESENCE_SECONDS = 0.5
PEER = struct.Struct("3i")  # SO_PEERCRED: pid, uid, gid
NOW_HEADER = "tradebotd-now"
CLOCK_HEADER = "tradebotd-clock"
# An error as the last line of a stream has no HTTP status of its own.
STATUS_BY_CODE = {
    "internal": 500,
    "failed": 500,
    "usage": 400,
    "configuration": 422,
    "database_unavailable": 503,
    "venue_unavailable": 503,
}

Progress = Callable[[dict[str, Any]], None]


class Answer(NamedTuple):
    """`now` is the daemon's clock (market time in a replay); None when it did not say.

    `simulated`: that clock is not the host's, whatever it shows at present.
    """

    data: Any
    now: datetime | None
    simulated: bool = False


class Client:
    """HTTP client of the daemon. Raises CommandError: unreachable, or refused by the daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, *parts: str | int, **query: object) -> Answer:
        wanted = {key: value for key, value in query.items() if value is not None}
        return self._ask("GET", _path(parts) + (f"?{urlencode(wanted)}" if wanted else ""), None)

    def post(self, *parts: str | int, body: Mapping[str, Any] | None = None) -> Answer:
        return self._ask("POST", _path(parts), body)

    def follow(
        self, *parts: str | int, progress: Progress, body: Mapping[str, Any] | None = None
    ) -> Answer:
        """Post a long action; *progress* gets every line but the last, which is the answer."""
        return self._ask("POST", _path(parts), body, progress)

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        progress: Progress | None = None,
    ) -> Answer:
        payload = None if body is None else json.dumps(body).encode()
        try:
            with Connection(self._path, None if progress else ANSWER_SECONDS) as connection:
                response = connection.ask(method, path, payload)
                data = _last_line(response, progress) if progress else json.loads(response.read())
        except (OSError, ProtocolError, ValueError) as error:
            raise self._unreachable(error) from error
        if response.status >= 400 and _is_error(data):
            raise _refused(response.status, data["error"])
        if _is_error(data):  # failed after the stream had begun
            raise _refused(STATUS_BY_CODE.get(data["error"]["code"], 409), data["error"])
        now = response.header(NOW_HEADER)
        simulated = response.header(CLOCK_HEADER) == "market"
        return Answer(data, None if now is None else datetime.fromisoformat(now), simulated)

    def _unreachable(self, error: Exception) -> CommandError:
        if isinstance(error, PermissionError):
            hint = "the socket's group decides who may: join it, or ask as the daemon's user"
            message = f"no permission to talk to the daemon on {self._path}"
        elif isinstance(error, TimeoutError):
            hint = "the process is there but stuck: see its log"
            message = f"the daemon on {self._path} did not answer in {ANSWER_SECONDS:.0f} s"
        elif isinstance(error, FileNotFoundError | ConnectionRefusedError) and (
            pid := _holder(self._path)
        ):
            hint = "it makes its socket again within seconds, or its log says what keeps it"
            message = f"no socket on {self._path}, but process {pid} holds the account"
        elif isinstance(error, FileNotFoundError | ConnectionRefusedError):
            hint = "start it with `tradebotd run`, or name its socket with --socket or --config"
            message = f"no daemon is running on {self._path}"
        else:
            hint = "it may just have stopped: try `tradebotctl status`"
            message = f"lost the daemon on {self._path} ({str(error) or type(error).__name__})"
        return CommandError(EXIT_UNREACHABLE, "not_reachable", message, hint)


def _holder(path: Path) -> int | None:
    """Return the process that owns the missing socket, or None: see `control/presence.py`."""
    from hashlib import sha256  # noqa: PLC0415 - only on failure

    name = b"\0tradebotd/" + sha256(os.fsencode(os.path.realpath(path))).hexdigest().encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PRESENCE_SECONDS)
        try:
            probe.connect(name)
            told = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
        except OSError:
            return None
    pid: int = PEER.unpack(told)[0]
    return pid


def _path(parts: tuple[str | int, ...]) -> str:
    return "/v1/" + "/".join(quote(str(part), safe="") for part in parts)


def _last_line(response: Response, progress: Progress) -> Any:
    last: Any = None
    for line in response.lines():
        last = json.loads(line)
        if response.status == 200 and set(last) == {"progress"}:
            progress(last["progress"])
            last = None
    if last is None:
        raise ProtocolError("it hung up before the last line of its answer")
    return last


def _is_error(data: Any) -> bool:
    return isinstance(data, dict) and set(data) == {"error"} and isinstance(data["error"], dict)


def _refused(status: int, error: Mapping[str, Any]) -> CommandError:
    hint = error.get("hint") or ""
    known = error.get("known") or []
    if known and not all(name in hint for name in known):
        hint = f"{hint}; known: {', '.join(known)}".lstrip("; ")
    return CommandError(BY_STATUS.get(status, EXIT_NO), error["code"], error["message"], hint)
