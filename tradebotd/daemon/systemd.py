"""sd_notify(3): tells the service manager that the daemon is ready, reloading or stopping."""

import os
import socket

import structlog

log = structlog.get_logger(__name__)


def notify(*lines: str) -> bool:
    """Send `READY=1`, `STOPPING=1`, `STATUS=…`. Returns False if no service manager got it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.settimeout(0)  # a full queue must not hold the loop
            channel.sendto("\n".join(lines).encode(), address)
    except OSError as error:
        log.warning("service manager not notified", lines=lines, error=str(error))
        return False
    return True
