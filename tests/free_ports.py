"""A port for a server that a test may stop and start again."""

from __future__ import annotations

import socket
from random import SystemRandom

BELOW_EPHEMERAL = range(20_000, 32_000)
"""Linux gives outgoing connections ports from 32768 on. A client that tries again and again to reach a stopped server
on such a port is given that very port one day, connects to itself, and the server cannot come back."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on and that no outgoing connection gets."""
    while True:
        port = SystemRandom().choice(BELOW_EPHEMERAL)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
