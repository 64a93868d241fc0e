"""TLS of the federation port: 1.3 only; peers by WebPKI or by the pin the register gives. Never unpinned and unverified."""

import ssl
from functools import lru_cache
from pathlib import Path

from aiohttp import Fingerprint

from contracts.errors import ConfigurationError


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context our federation port serves with.

    Raises:
        ConfigurationError: the files do not give a certificate and its key.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"el certificado TLS o su llave no sirven ({type(error).__name__})",
            advice="Compruebe [federation] tls_certificate y tls_key, y que el usuario del nodo pueda leerlos.",
        ) from None
    return context


def client_context() -> ssl.SSLContext:
    """Return the context for peers with a public certificate."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


@lru_cache(maxsize=1024)
def pinned(tls_pin: str) -> Fingerprint:
    """Return what aiohttp checks a pinned peer's certificate with: SHA-256 of its DER, and nothing else is trusted.

    One object per pin: aiohttp keeps connections by it, and another object each time would open one per request.
    """
    return Fingerprint(bytes.fromhex(tls_pin))
