"""What of a query only says that its bearer may have the image, and not which image it is.

A signed URL is a new one every hour, and names the same image every time: what signs it is no part of the
key. A rule stands on its signer's own documentation, applies only where all that makes up the signature is
there, and leaves alone whatever may change the image or what is said of it (`w`, `x-oss-process`,
`versionId`, `response-content-type`). In doubt a parameter stays, which costs a download.

Left alone on purpose: signatures that are the same for as long as the image is (`s` of imgix), and those
that nobody has documented (`oh` and `oe` of Facebook).
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def unsigned(query: str, ignoring: tuple[str, ...] = ()) -> str:
    """The query without the signatures of known signers, and without what `ignoring` names.

    `ignoring` are shell patterns (`utm_*`) for the names of parameters, with regard to case. What is left
    stands as it was written, in its order.
    """
    if not ignoring and _MAY_SIGN.search(query) is None:
        return query
    parts = query.split("&")
    pairs = [(unquote(name), unquote(value)) for name, _, value in (part.partition("=") for part in parts)]
    signing, ignored = _signing(pairs), _matcher(ignoring)
    left = [
        part
        for part, (name, value) in zip(parts, pairs, strict=True)
        if not (name in signing or re.fullmatch(_AKAMAI, value, re.DOTALL) or ignored(name))
    ]
    if len(left) == len(parts):
        return query
    return "&".join(left) if any(left) else ""


def may_want_a_signature(status: int | None) -> bool:
    """Whether an origin may answer so because a URL is not signed; the same may mean something else."""
    # Azure says 409 where an account allows no public access, and 404 where a container does not.
    return status in (401, 403, 404, 409)


class _Signer(NamedTuple):
    """By which parameters a signature is known, and which others may belong to it."""

    needs: Mapping[str, str]
    """All of them are there, and match these expressions."""
    takes: str = ""
    """Names, parted by spaces."""

    def names_in(self, values: Mapping[str, str]) -> frozenset[str]:
        """The parameters of its signature; none where it is not there."""
        if not self.needs.keys() <= values.keys():
            return frozenset()
        if not all(re.fullmatch(form, values[name]) for name, form in self.needs.items()):
            return frozenset()
        return frozenset(self.needs).union(self.takes.split()) & values.keys()


def _signing(pairs: list[tuple[str, str]]) -> frozenset[str]:
    """The names of the parameters that belong to a signature; of what comes twice nobody can tell."""
    counts = Counter(name for name, _ in pairs)
    values = {name: value for name, value in pairs if counts[name] == 1}
    return frozenset().union(*(signer.names_in(values) for signer in _SIGNERS))


@lru_cache(maxsize=64)
def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    if not patterns:
        return lambda _: None
    from fnmatch import translate

    return re.compile("|".join(map(translate, patterns))).match


def _named(names: str, **forms: str) -> dict[str, str]:
    """What a signature needs: these names with any value, and those with a value of a form."""
    return dict.fromkeys(names.split(), ".+") | forms


_TIME = "[0-9]{9,11}"  # seconds since the epoch
_BASE64_OF_16, _BASE64_OF_32 = "[A-Za-z0-9_-]{22}", "[A-Za-z0-9_-]{43}"
_OF_SAS = "ss srt sp st se spr sip sr si sdd ses skoid sktid skt ske sks skv saoid suoid scid"

_SIGNERS = (
    # Amazon S3 and all that speak its language, Signature Version 4: "Authenticating Requests: Using Query
    # Parameters". X-Amz-Content-Sha256 is of the (empty) body of the request.
    _Signer(
        _named(
            "X-Amz-Algorithm X-Amz-Credential X-Amz-Date X-Amz-Expires X-Amz-SignedHeaders X-Amz-Signature"
        ),
        "X-Amz-Security-Token X-Amz-Content-Sha256 X-Amz-S3session-Token",
    ),
    # The same, Signature Version 2: "Signing and authenticating REST requests".
    _Signer(_named("AWSAccessKeyId Signature", Expires=_TIME), "x-amz-security-token"),
    # Amazon CloudFront: "Create a signed URL using a canned policy", and "… using a custom policy".
    _Signer(_named("Signature Key-Pair-Id", Expires=_TIME)),
    _Signer(_named("Signature Key-Pair-Id Policy")),
    # Google Cloud Storage, V4 and V2: "Signed URLs".
    _Signer(
        _named("X-Goog-Algorithm X-Goog-Credential X-Goog-Date X-Goog-Expires")
        | _named("X-Goog-SignedHeaders X-Goog-Signature")
    ),
    _Signer(_named("GoogleAccessId Signature", Expires=_TIME)),
    # Google Cloud CDN: "Use signed URLs".
    _Signer(_named("KeyName Signature", Expires=_TIME), "URLPrefix"),
    # Azure Storage: "Create an account SAS", "… a service SAS" and "… a user delegation SAS". It says when it
    # ends, or names a stored policy that does. rscc, rsct and the like change the answer, and stay.
    _Signer(_named("sv sig se"), _OF_SAS),
    _Signer(_named("sv sig si"), _OF_SAS),
    # Alibaba Cloud OSS: "Include a V4 signature in a URL", and "… a V1 signature …".
    _Signer(
        _named("x-oss-signature-version x-oss-credential x-oss-date x-oss-expires x-oss-signature"),
        "x-oss-additional-headers x-oss-security-token",
    ),
    _Signer(_named("OSSAccessKeyId Signature", Expires=_TIME), "security-token"),
    # Alibaba Cloud CDN: "Type A signing", timestamp-rand-uid-md5hash.
    _Signer({"auth_key": f"{_TIME}-[A-Za-z0-9]+-[A-Za-z0-9]+-[0-9a-f]{{32}}"}),
    # Tencent Cloud COS: "Request Signature".
    _Signer(
        _named(
            "q-sign-algorithm q-ak q-sign-time q-key-time q-header-list q-url-param-list q-signature",
            **dict.fromkeys(("q-header-list", "q-url-param-list"), ".*"),
        ),
        "x-cos-security-token",
    ),
    # Huawei Cloud OBS: "Authentication of Signature in a URL".
    _Signer(_named("AccessKeyId Signature", Expires=_TIME), "x-obs-security-token"),
    # Qiniu Kodo: "Download credentials".
    _Signer({"e": _TIME, "token": "[A-Za-z0-9_-]{40}:[A-Za-z0-9_-]{27}="}),
    # Cloudflare Images: "Serve private images".
    _Signer({"exp": _TIME, "sig": "[0-9a-f]{64}"}),
    # Bunny CDN: "Token authentication", basic and advanced. `limit` is a speed, and stays.
    _Signer(
        {"token": f"(HS256-)?{_BASE64_OF_32}|{_BASE64_OF_16}", "expires": _TIME},
        "token_path token_countries token_countries_blocked token_ignore_params",
    ),
    # Discord: "Signed Attachment CDN URLs".
    _Signer({"ex": "[0-9a-f]{8}", "is": "[0-9a-f]{8}", "hm": "[0-9a-f]{64}"}),
    # nginx: ngx_http_secure_link_module.
    _Signer({"md5": _BASE64_OF_16, "expires": _TIME}),
)

_MAY_SIGN = re.compile(r"[Ss]ignature=|\b(?:sig|token|auth_key|hm|md5)=|hmac|%")
"""Without it no query has a signature, and most need not be taken apart. An escape may stand for it."""

_AKAMAI = r"(?=(?:.*~)?exp=[0-9]+~)(?:(?:st|exp|ip|id|acl|url)=[^~]*~)+hmac=[0-9a-f]{32,64}"
"""Akamai: "Auth Token 2.0 Verification". The name of the parameter is each customer's own (`hdnts`,
`__token__`), its value is not. One with `data=` in it may say anything, and stays."""
