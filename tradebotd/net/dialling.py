"""One TCP connection, with TLS where the URL says so. Proxies and redirects are nobody's here."""

import ssl
from functools import cache
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import anyio
from anyio.abc import ByteStream

from tradebotd.net.errors import NotSentError

PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
SECURE: Final = frozenset({"https", "wss"})


class Origin(NamedTuple):
    """Scheme, host and port of a URL, and the path below which everything stands."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_secure(self) -> bool:
        return self.scheme in SECURE

    @property
    def authority(self) -> str:
        """The host as a `Host` header has it: its port only where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def origin_of(url: str) -> Origin:
    """Raises ValueError for a URL without host, of another scheme, or with a user or a query."""
    parts = urlsplit(url)
    if parts.scheme not in PORTS or not parts.hostname or parts.username or parts.fragment:
        raise ValueError("not a URL of a venue: scheme, host and perhaps a path")
    port = parts.port or PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))


@cache
def _tls() -> ssl.SSLContext:
    """One context for all connections: the machine's certificates take 50 ms to read."""
    return ssl.create_default_context()


async def dial(origin: Origin, *, seconds: float, tls: ssl.SSLContext | None = None) -> ByteStream:
    """Connect within *seconds*, all of DNS, TCP and TLS in them.

    Raises NotSentError. *tls*: in place of the machine's usual trust, for tests.
    """
    try:
        with anyio.fail_after(seconds):
            if not origin.is_secure:
                return await anyio.connect_tcp(origin.host, origin.port)
            context = tls or await anyio.to_thread.run_sync(_tls)
            return await anyio.connect_tcp(
                origin.host,
                origin.port,
                tls=True,
                ssl_context=context,
                tls_standard_compatible=False,
            )
    except TimeoutError as error:
        raise NotSentError(f"no connection within {seconds:g} s") from error
    except ssl.SSLError as error:
        raise NotSentError(f"no TLS: {error.reason or error}") from error
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise NotSentError(f"no connection: {error}") from error
