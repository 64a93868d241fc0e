"""Self-signed certificates for nodes without a public one; peers pin them through the register."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def self_signed_certificate(hosts: Sequence[str], *, now: datetime, days: int = 825) -> tuple[bytes, bytes]:
    """Return (certificate, private key) as PEM, P-256, for `hosts` (names or addresses), valid from an hour ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "paradero node")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return certificate.public_bytes(serialization.Encoding.PEM), secret


def pin(certificate_pem: bytes) -> str:
    """Return the pin of a certificate: SHA-256 of its DER, hex."""
    certificate = x509.load_pem_x509_certificate(certificate_pem)
    return sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def expires(certificate_pem: bytes) -> datetime:
    """Return until when a certificate is valid. Raises ValueError: it is none."""
    return x509.load_pem_x509_certificate(certificate_pem).not_valid_after_utc


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
