"""Signatures in queries: parameters that sign a URL, and do not select an image.

A signed URL changes every hour, and identifies the same image each time. So its signature is left out of
the key. A parameter that is left out joins URLs: a wrong one answers a request with another image.
Therefore a scheme is recognised only if

- its signer documents it (the address of that page stands beside it), and
- all its required parameters are present, each once, with values of the documented form.

Parameters that may change the image or its header fields stay (`w`, `x-oss-process`, `versionId`,
`response-content-type`). So does everything else: many origins use `token` with `expires`, `md5` with
`expires`, or `exp` with `sig`, each in its own way. In doubt a parameter stays, which costs a download. A
caller that knows better names it (`key_ignore`).

Two kinds stay on purpose: signatures that do not change (`s` of imgix), and undocumented ones (`oh` and
`oe` of Facebook).
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def unsigned(query: str, ignoring: tuple[str, ...] = (), *, signatures: bool = True) -> str:
    """Return the query without the signatures of known signers, and without the `ignoring` parameters.

    `ignoring` are shell patterns (`utm_*`) for the names of parameters; case matters. The rest stays as it is
    written, in its order. If `signatures` is False, only the `ignoring` parameters are left out.
    """
    if not ignoring and (not signatures or _MAY_SIGN.search(query) is None):
        return query
    parts = query.split("&")
    pairs = [(unquote(name), unquote(value)) for name, _, value in (part.partition("=") for part in parts)]
    signing, is_ignored = _signing(pairs) if signatures else frozenset(), _matcher(ignoring)
    left = [
        part
        for part, (name, value) in zip(parts, pairs, strict=True)
        if not (name in signing or is_ignored(name))
        and not (signatures and re.fullmatch(_AKAMAI, value, re.DOTALL))
    ]
    if len(left) == len(parts):
        return query
    return "&".join(left) if any(left) else ""


def may_want_a_signature(status: int | None) -> bool:
    """Return True if an origin may answer with this status because a URL is not signed."""
    # Azure answers 409 if an account allows no public access, and 404 if a container does not.
    return status in (401, 403, 404, 409)


class _Signer(NamedTuple):
    """The parameters of one scheme of signatures."""

    required: Mapping[str, str]
    """Regular expressions for the values of the parameters that make a signature, by name."""
    optional: str = ""
    """Names of the parameters that may belong to it, with spaces between."""

    def names_in(self, values: Mapping[str, str]) -> frozenset[str]:
        """Return the names of the parameters of this signature; an empty set if there is none."""
        if not self.required.keys() <= values.keys():
            return frozenset()
        if not all(re.fullmatch(form, values[name]) for name, form in self.required.items()):
            return frozenset()
        return frozenset(self.required).union(self.optional.split()) & values.keys()


def _signing(pairs: list[tuple[str, str]]) -> frozenset[str]:
    """Return the names of the parameters that belong to a signature; a repeated one belongs to none."""
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
    """Return the required parameters: these names with any value, and those with a value of a form."""
    return dict.fromkeys(names.split(), ".+") | forms


_TIME = "[0-9]{9,11}"  # seconds since the epoch
_DATE = "[0-9]{8}T[0-9]{6}Z"
_SECONDS = "[0-9]{1,7}"
_BASE64 = "[A-Za-z0-9+/_-]{20,700}={0,2}"  # an HMAC or an RSA signature, in either alphabet
_HEX64 = "[0-9a-f]{64}"
_HEX = "[0-9a-f]{64,1024}"
_SAS_REQUIRED = {"sv": "[0-9]{4}-[0-9]{2}-[0-9]{2}", "sig": _BASE64}
_SAS_OPTIONAL = "st se sp spr sip si ses sdd skoid sktid skt ske sks skv saoid suoid scid skdutid sduoid"

_SIGNERS = (
    # Amazon S3 and compatible stores, Signature Version 4. X-Amz-Content-Sha256 is the digest of the body of
    # the request, which is empty.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
    _Signer(
        _named(
            "X-Amz-Credential X-Amz-SignedHeaders",
            **{
                "X-Amz-Algorithm": "AWS4-[A-Z0-9-]+",
                "X-Amz-Date": _DATE,
                "X-Amz-Expires": _SECONDS,
                "X-Amz-Signature": _HEX,
            },
        ),
        "X-Amz-Security-Token X-Amz-Content-Sha256 X-Amz-S3session-Token",
    ),
    # Amazon S3, Signature Version 2: "Query string request authentication alternative".
    # https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
    _Signer(_named("AWSAccessKeyId", Signature=_BASE64, Expires=_TIME), "x-amz-security-token"),
    # Amazon CloudFront, with a canned policy, and with a custom one. Its Base64 has `-`, `_` and `~`.
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-canned-policy.html
    # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-creating-signed-url-custom-policy.html
    _Signer(
        {"Key-Pair-Id": "[A-Z0-9]{8,32}", "Signature": "[A-Za-z0-9~_-]+", "Expires": _TIME}, "Hash-Algorithm"
    ),
    _Signer(
        {"Key-Pair-Id": "[A-Z0-9]{8,32}", "Signature": "[A-Za-z0-9~_-]+", "Policy": "[A-Za-z0-9~_-]+"},
        "Hash-Algorithm",
    ),
    # Google Cloud Storage, V4 and V2.
    # https://docs.cloud.google.com/storage/docs/authentication/signatures
    # https://docs.cloud.google.com/storage/docs/access-control/signed-urls-v2
    _Signer(
        _named(
            "X-Goog-Credential X-Goog-SignedHeaders",
            **{
                "X-Goog-Algorithm": "GOOG4-[A-Z0-9-]+",
                "X-Goog-Date": _DATE,
                "X-Goog-Expires": _SECONDS,
                "X-Goog-Signature": _HEX,
            },
        )
    ),
    _Signer(_named("GoogleAccessId", Signature=_BASE64, Expires=_TIME)),
    # Google Cloud CDN.
    # https://docs.cloud.google.com/cdn/docs/using-signed-urls
    _Signer({"KeyName": "[A-Za-z0-9_-]{1,63}", "Signature": _BASE64, "Expires": _TIME}, "URLPrefix"),
    # Azure Storage: an account SAS, a service SAS and a user delegation SAS. The last two state their
    # lifetime and purpose, or name a stored policy that does. rscc, rsct and the like change the response, so
    # they stay; so does `snapshot`.
    # https://learn.microsoft.com/rest/api/storageservices/create-account-sas
    # https://learn.microsoft.com/rest/api/storageservices/create-service-sas
    # https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
    _Signer(_SAS_REQUIRED | _named("ss srt sp se"), f"sr {_SAS_OPTIONAL}"),
    _Signer(_SAS_REQUIRED | _named("sr sp se"), _SAS_OPTIONAL),
    _Signer(_SAS_REQUIRED | _named("sr si"), _SAS_OPTIONAL),
    # Alibaba Cloud OSS, V4 and V1.
    # https://www.alibabacloud.com/help/en/oss/developer-reference/add-signatures-to-urls
    # https://www.alibabacloud.com/help/en/oss/developer-reference/ddd-signatures-to-urls
    _Signer(
        _named(
            "x-oss-credential",
            **{
                "x-oss-signature-version": "OSS4-HMAC-SHA256",
                "x-oss-date": _DATE,
                "x-oss-expires": _SECONDS,
                "x-oss-signature": _HEX64,
            },
        ),
        "x-oss-additional-headers x-oss-security-token",
    ),
    _Signer(_named("OSSAccessKeyId", Signature=_BASE64, Expires=_TIME), "security-token"),
    # Alibaba Cloud CDN, type A: timestamp-rand-uid-md5hash.
    # https://www.alibabacloud.com/help/en/cdn/user-guide/type-a-signing
    _Signer({"auth_key": f"{_TIME}-[A-Za-z0-9]+-[A-Za-z0-9]+-[0-9a-f]{{32}}"}),
    # Tencent Cloud COS.
    # https://www.tencentcloud.com/document/product/436/7778
    _Signer(
        {
            "q-sign-algorithm": "sha1",
            "q-ak": ".+",
            "q-sign-time": f"{_TIME};{_TIME}",
            "q-key-time": f"{_TIME};{_TIME}",
            "q-header-list": ".*",
            "q-url-param-list": ".*",
            "q-signature": "[0-9a-f]{40}",
        },
        "x-cos-security-token",
    ),
    # Huawei Cloud OBS.
    # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0011.html
    _Signer(_named("AccessKeyId", Signature=_BASE64, Expires=_TIME), "x-obs-security-token"),
    # Qiniu Kodo: the access key, a colon, and the Base64 of an HMAC-SHA1.
    # https://developer.qiniu.com/kodo/1202/download-token
    _Signer({"e": _TIME, "token": "[A-Za-z0-9_-]{40}:[A-Za-z0-9_-]{27}="}),
    # Discord: "Signed Attachment CDN URLs".
    # https://docs.discord.com/developers/reference#signed-attachment-cdn-urls
    _Signer({"ex": "[0-9a-f]{8}", "is": "[0-9a-f]{8}", "hm": _HEX64}),
)

_MAY_SIGN = re.compile(r"[Ss]ignature=|\b(?:sig|token|auth_key|hm)=|hmac|%")
"""Every signature matches this, so that most queries need not be parsed. An escape may hide it."""

_AKAMAI = r"(?=(?:.*~)?exp=[0-9]+~)(?:(?:st|exp|ip|id|acl|url)=[^~]*~)+hmac=[0-9a-f]{32,64}"
"""Akamai: "Auth Token 2.0 Verification" (https://techdocs.akamai.com/property-mgr/docs/auth-token-2-0-ver;
https://pypi.org/project/akamai-edgeauth). Each customer chooses the name of the parameter (`hdnts`,
`__token__`), so its value is matched. A value with `data=` may select an image, and stays."""
