"""TLS for connections to AWS and to other https endpoints. Each certificate is verified, including its host name.

OpenSSL loads the 140 authorities of a system in 18 ms, but those of Amazon in 1 ms. The certificate of an AWS endpoint
is therefore verified with Amazon's authorities first. If that fails, as behind a proxy with its own authority or if AWS
changes its authorities, it is verified with the system's. No certificate is pinned.

References:
    Amazon Trust Services, https://www.amazontrust.com/repository/: ``amazon_authorities.pem`` has its five roots
"""

from __future__ import annotations

import socket
import ssl
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["amazon_context", "open_tls", "system_context"]

_AUTHORITIES = Path(__file__).with_name("amazon_authorities.pem")
_DOMAIN = b".amazonaws.com"


def open_tls(address: tuple[Any, int], host: bytes, *, timeout: float) -> ssl.SSLSocket:
    """Connect to a server and verify its certificate.

    Args:
        address: Address and port of the server.
        host: Name that the certificate must have.
        timeout: Maximum seconds without a received byte.

    Raises:
        OSError: The server does not respond.
        SSLCertVerificationError: The certificate is for another host, or from an authority that the system does not
            trust.
    """
    if host.endswith(_DOMAIN):
        try:
            return _connect(address, host, timeout, amazon_context())
        except ssl.SSLCertVerificationError:
            pass  # verify it with the system's authorities
    return _connect(address, host, timeout, system_context())


@cache
def amazon_context() -> ssl.SSLContext:
    """Return Python's default context for clients, with Amazon's authorities only."""
    return _with_protocol(ssl.create_default_context(cafile=_AUTHORITIES))


@cache
def system_context() -> ssl.SSLContext:
    """Return Python's default context for clients, with the system's authorities."""
    return _with_protocol(ssl.create_default_context())


def _with_protocol(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context


def _connect(address: tuple[Any, int], host: bytes, timeout: float, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection = socket.create_connection(address, timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(connection, server_hostname=host)
