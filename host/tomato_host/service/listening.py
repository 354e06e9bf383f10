"""The socket that the dashboard listens on, and whether an address can be listened on at all."""

from __future__ import annotations

import errno
import socket

from tomato_host.service.settings import ServiceSettings


class AddressTakenError(Exception):
    """The address cannot be listened on: another process does, or it is not this machine's, or not allowed."""


def listen_on(settings: ServiceSettings) -> socket.socket:
    """The socket, bound. Raises AddressTakenError; OSError for anything else."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP, or asyncio leaves Nagle's algorithm on for what is accepted: an answer in two writes, and a message
    # that follows another one, then wait for the reader's delayed acknowledgement of 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        listening.close()
        if error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES):
            raise AddressTakenError(f"{settings.host}:{settings.port}") from None
        raise
    return listening
