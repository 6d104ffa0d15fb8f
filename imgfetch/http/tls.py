"""The certificate authorities that TLS connections trust."""

from __future__ import annotations

import os
import ssl
from functools import cache

from imgfetch.errors import InputError, printable
from imgfetch.model.result import ErrorKind


@cache  # reading the authorities takes longer than a small download
def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """Return the TLS context that trusts the authorities of a file.

    Without a file: those of SSL_CERT_FILE or SSL_CERT_DIR, else certifi's. Raises `InputError`.
    """
    try:
        if ca_bundle is None and os.environ.get("SSL_CERT_DIR") and not os.environ.get("SSL_CERT_FILE"):
            context = ssl.create_default_context(capath=os.environ["SSL_CERT_DIR"])
        else:
            file = ca_bundle or os.environ.get("SSL_CERT_FILE") or _certifi_bundle()
            context = ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is a subclass, for a file without certificates
        why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate is in it"
        raise InputError(
            ErrorKind.BAD_INPUT,
            f"not a file of certificate authorities: {why}",
            printable(ca_bundle or "SSL_CERT_FILE or SSL_CERT_DIR"),
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _certifi_bundle() -> str:
    import certifi  # slow to import, and not needed for http:

    return certifi.where()
