"""Bind the server's sockets, on which several processes listen."""

from __future__ import annotations

import ipaddress
import resource
import socket

__all__ = ["allow_connections", "bind_socket", "is_loopback"]

_OTHER_FILES = 512  # file descriptors for gRPC connections, model files and logs


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files for ``count`` connections, as far as the system permits."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    required = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < required:
        limit = required if hard == resource.RLIM_INFINITY else min(required, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket whose port several processes may share.

    Args:
        host: Address or name of this machine.
        port: Port; 0 for a free port.

    Raises:
        OSError: The address does not belong to this machine, or the port is in use.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
