"""Task that holds a connection: checked before any wait on a network; needs no database."""

from contextvars import ContextVar

# A child task inherits the context but not the connection: hence the task, not a flag.
_holder: ContextVar[object] = ContextVar("connection_holder", default=None)


def assert_no_connection_held(what: str) -> None:
    """Raise RuntimeError while this task holds a connection: *what* would wait on a network."""
    if holds_connection():
        raise RuntimeError(f"{what} while this task holds a database connection")


def holds_connection() -> bool:
    holder = _holder.get()
    return holder is not None and holder is _task()


def hold() -> None:
    _holder.set(_task())


def let_go() -> None:
    _holder.set(None)


def _task() -> object:
    import asyncio  # noqa: PLC0415 - `tradebotd check` reads feeds, and never runs a loop

    return asyncio.current_task()
