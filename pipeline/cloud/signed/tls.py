"""TLS of connections to AWS and to other https endpoints. Every certificate is verified, and that it is of the host.

OpenSSL reads the 140 authorities of a system in 18 ms, those of Amazon in 1 ms. So a certificate of an AWS endpoint is
verified by Amazon's first, and only if they do not verify it, by the system's: behind a proxy with an authority of its
own, or if AWS takes another one. This pins nothing.

References:
    Amazon Trust Services, https://www.amazontrust.com/repository/, whose five roots ``amazon_authorities.pem`` has
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
        host: Name that its certificate must have.
        timeout: Seconds without a byte.

    Raises:
        OSError: It does not answer.
        SSLCertVerificationError: Its certificate is of another host, or of an authority that the system does not trust.
    """
    if host.endswith(_DOMAIN):
        try:
            return _connect(address, host, timeout, amazon_context())
        except ssl.SSLCertVerificationError:
            pass  # the system's authorities decide
    return _connect(address, host, timeout, system_context())


@cache
def amazon_context() -> ssl.SSLContext:
    """Return Python's defaults for clients with the authorities of Amazon."""
    return _with_protocol(ssl.create_default_context(cafile=_AUTHORITIES))


@cache
def system_context() -> ssl.SSLContext:
    """Return Python's defaults for clients, with the authorities of the system."""
    return _with_protocol(ssl.create_default_context())


def _with_protocol(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_alpn_protocols(["http/1.1"])
    return context


def _connect(address: tuple[Any, int], host: bytes, timeout: float, context: ssl.SSLContext) -> ssl.SSLSocket:
    connection = socket.create_connection(address, timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(connection, server_hostname=host)
