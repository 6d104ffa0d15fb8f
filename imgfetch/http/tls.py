"""The certificate authorities that TLS connections trust."""

from __future__ import annotations

import os
import ssl
from functools import cache

from imgfetch.errors import InputError, printable
from imgfetch.model.result import ErrorKind


@cache  # reading what the system trusts takes longer than a small download
def trust(ca_bundle: str | None) -> ssl.SSLContext:
    """What TLS trusts: a file of authorities, else what SSL_CERT_FILE or SSL_CERT_DIR name, else the web's.

    Raises `InputError`.
    """
    try:
        if ca_bundle is None and os.environ.get("SSL_CERT_DIR") and not os.environ.get("SSL_CERT_FILE"):
            context = ssl.create_default_context(capath=os.environ["SSL_CERT_DIR"])
        else:
            file = ca_bundle or os.environ.get("SSL_CERT_FILE") or _of_the_web()
            context = ssl.create_default_context(cafile=file)
    except OSError as error:  # ssl.SSLError is one, for a file without certificates
        why = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate is in it"
        raise InputError(
            ErrorKind.BAD_INPUT,
            f"not a file of certificate authorities: {why}",
            printable(ca_bundle or "SSL_CERT_FILE or SSL_CERT_DIR"),
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _of_the_web() -> str:
    import certifi  # slow to import, and plain http: needs none

    return certifi.where()
