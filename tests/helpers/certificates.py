"""A certificate authority for tests, and a certificate for 127.0.0.1 and other hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Authority", "write_certificates"]


class Authority(NamedTuple):
    """Paths of an authority's certificate, and of a certificate that it signed with its key."""

    ca: Path
    certificate: Path
    key: Path


def write_certificates(folder: Path, *hosts: str) -> Authority:
    """Write an authority's certificate, and a certificate for 127.0.0.1 and ``hosts``, for servers and clients."""
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test authority")])
    issuer_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(issuer_name=issuer, subject_name=subject, public_key=public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
        )

    authority = builder(issuer, issuer_key.public_key()).add_extension(x509.BasicConstraints(True, None), critical=True)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), *map(x509.DNSName, hosts)])
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    signed = builder(subject, key.public_key()).add_extension(names, critical=False)
    paths = Authority(folder / "ca.pem", folder / "certificate.pem", folder / "key.pem")
    for path, unsigned in ((paths.ca, authority), (paths.certificate, signed)):
        path.write_bytes(unsigned.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths.key.write_bytes(key.private_bytes(*pem))
    return paths
