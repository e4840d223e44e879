"""Sockets that several processes listen on."""

from __future__ import annotations

import ipaddress
import resource
import socket

__all__ = ["allow_connections", "bind_socket", "is_loopback"]

_OTHER_FILES = 512  # gRPC connections, model files, logs


def allow_connections(count: int) -> None:
    """Raise this process's limit of open files, as far as the system permits, so that it can hold ``count`` sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    required = count + _OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < required:
        limit = required if hard == resource.RLIM_INFINITY else min(required, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def bind_socket(host: str, port: int) -> socket.socket:
    """Return a socket that is bound, so that other processes of this server can listen on the same port.

    Args:
        host: Address or name of this machine.
        port: Port; 0 for a free one.

    Raises:
        OSError: The address is not this machine's, or the port is in use.
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
    """Return whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
