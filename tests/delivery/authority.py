"""A certificate authority for as long as the tests run."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
HASH = hashes.SHA256()


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


AUTHORITY = named("test authority")


def alternatives(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(
        x509.DNSName(name) if name.endswith(".example") else x509.IPAddress(ipaddress.ip_address(name))
        for name in names
    )


def a_certificate(
    subject: x509.Name, key: ec.EllipticCurvePublicKey, *, issuer: x509.Name = AUTHORITY, until: datetime = NOW + DAY
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - 10 * DAY).not_valid_after(until)


class Authority:
    """A certificate authority for as long as the tests run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._count = 0
        usage = x509.BasicConstraints(ca=True, path_length=0)
        own = a_certificate(AUTHORITY, self._key.public_key()).add_extension(usage, critical=True)
        self.pem = own.sign(self._key, HASH).public_bytes(serialization.Encoding.PEM).decode()

    def server(self, *names: str, until: datetime = NOW + DAY) -> ssl.SSLContext:
        """A server's context with a certificate for `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = a_certificate(named(names[0]), key.public_key(), until=until)
        return self._context(builder.add_extension(alternatives(*names), critical=False).sign(self._key, HASH), key)

    def self_signed(self, name: str) -> ssl.SSLContext:
        """A server's context with a certificate that only it vouches for."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = a_certificate(named(name), key.public_key(), issuer=named(name))
        return self._context(builder.add_extension(alternatives(name), critical=False).sign(key, HASH), key)

    def _context(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
        self._count += 1
        path = self._directory / f"{self._count}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context
