"""Ports that stay ours: below the range from which the system takes the ports of outgoing connections.

A port inside that range can be taken by any client while its server restarts.

>>> first, second = free_ports(2)
>>> first != second and answers(first) is False
True
"""

from __future__ import annotations

import random
import socket
from pathlib import Path

from streams.errors import PlatformError

HOST = "127.0.0.1"
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_FIRST = 32768  # where the system does not tell: the lowest start in common use
_SPAN = 20000
_draw = random.SystemRandom()  # a test that seeds `random` must not draw the same ports as the one before
_given: set[int] = set()  # a free port is not yet bound when it is handed out


def free_ports(count: int) -> tuple[int, ...]:
    """Draw `count` different free ports on the loopback."""
    first = int(_EPHEMERAL.read_text().split()[0]) if _EPHEMERAL.exists() else _EPHEMERAL_FIRST
    candidates = range(max(1024, first - _SPAN), first)
    if not candidates:
        raise PlatformError("no ports below the ephemeral range", ephemeral_first=first)
    ports: list[int] = []
    for _ in range(2000):
        if len(ports) == count:
            return tuple(ports)
        port = _draw.choice(candidates)
        if port not in _given and free(port):
            _given.add(port)
            ports.append(port)
    raise PlatformError("no free port found on the loopback", wanted=count, found=len(ports))


def free(port: int) -> bool:
    """Can a server listen there? A port in TIME_WAIT counts as free, as it does for the servers themselves."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def answers(port: int, timeout_s: float = 1.0) -> bool:
    """Does anything accept a connection there?"""
    try:
        with socket.create_connection((HOST, port), timeout=timeout_s):
            return True
    except OSError:
        return False
