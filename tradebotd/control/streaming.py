"""Long action as a stream of JSON objects, one per line: progress, then the result or error."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, NamedTuple

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from tradebotd.control.errors import refuse
from tradebotd.storage.postgres.json_codec import dumps

NDJSON: Final = "application/x-ndjson"
WAITING_LINES: Final = 64  # a reader slower than this misses progress, never the result

Progress = Callable[[dict[str, Any]], None]
Act = Callable[[Progress], Awaitable[BaseModel]]


class _Line(NamedTuple):
    """Line of the stream; `refusal` is the complete answer if it fails before the first line."""

    text: str
    refusal: Response | None = None


async def stream_run(tasks: TaskGroup, act: Act) -> Response:
    """Run *act* in *tasks*, whether or not the client stays connected, and stream its lines.

    An action that fails before its first line gets an ordinary error answer.
    """
    send, receive = anyio.create_memory_object_stream[_Line](WAITING_LINES)
    tasks.start_soon(_perform, act, send)
    first = await anext(receive)
    if first.refusal is not None:
        receive.close()
        return first.refusal
    return StreamingResponse(_lines(first, receive), media_type=NDJSON)


async def _perform(act: Act, send: MemoryObjectSendStream[_Line]) -> None:
    def progress(figures: dict[str, Any]) -> None:
        with suppress(anyio.WouldBlock, anyio.BrokenResourceError):
            send.send_nowait(_Line(dumps({"progress": figures})))

    async with send:
        line = await _answer(act, progress)
        with suppress(anyio.BrokenResourceError):  # the client disconnected: the run is in job_runs
            await send.send(line)


async def _answer(act: Act, progress: Progress) -> _Line:
    """Return the last line: the result, or `{"error": …}`."""
    try:
        result = await act(progress)
    except Exception as error:  # noqa: BLE001 - the edge: an operator gets an answer
        refusal = refuse(error)
        return _Line(bytes(refusal.body).decode(), refusal)
    return _Line(dumps(result.model_dump(mode="json")))


async def _lines(first: _Line, rest: MemoryObjectReceiveStream[_Line]) -> AsyncIterator[str]:
    async with rest:
        yield first.text + "\n"
        async for line in rest:
            yield line.text + "\n"
