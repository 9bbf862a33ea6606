"""What went wrong with a bucket: read from obstore's words, which are never repeated.

They may hold the whole signed request. Of them only the HTTP status and S3's own error code are
used, and the words of the library for what has neither.
"""

import os
import re
from typing import Final
from urllib.parse import urlsplit

from veilmart.errors import BucketMissing, StoreAway, StoreFailed, StoreRefused

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,60})</Code>")
_NO_BUCKET = frozenset({"NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"})
_REFUSED: Final = {
    "InvalidAccessKeyId": "The store does not know AWS_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID.",
    "AccessDenied": "These credentials may not do that in the bucket.",
    "ExpiredToken": "The token in AWS_SESSION_TOKEN has expired.",
    "InvalidToken": "AWS_SESSION_TOKEN is not valid.",
    "RequestTimeTooSkewed": "This machine's clock and the store's are too far apart.",
}
_DENIED = frozenset({401, 403})
_SERVER_FAULT, _TOO_MANY = 500, 429
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def bucket_error(fault: BaseException) -> StoreAway:
    """As one of ours."""
    said = str(fault)
    found, named = _STATUS.search(said), _CODE.search(said)
    status, code = int(found[1]) if found else 0, named[1] if named else ""
    if not status and not names_no_bucket(fault):
        return StoreAway(_unanswered())
    answered = f"It answered {status} {code}".strip() + "." if status else ""
    if code in _REFUSED or status in _DENIED:
        return StoreRefused(_REFUSED.get(code, answered))
    if names_no_bucket(fault):
        return BucketMissing(answered)
    if status >= _SERVER_FAULT or status == _TOO_MANY:
        return StoreFailed(answered)
    return StoreAway(answered)


def _unanswered() -> str:
    proxy = next((name for name in _PROXIES if os.environ.get(name)), None)
    if proxy is not None:
        return f"Nothing answered through the proxy of {proxy}."
    place = urlsplit(os.environ.get("AWS_ENDPOINT", "")).hostname
    return f"Nothing answered at {place}." if place else "Nothing answered."


def names_no_bucket(fault: BaseException) -> bool:
    """Whether it is the bucket that is not there, not an object in it."""
    named = _CODE.search(str(fault))
    return (named is not None and named[1] in _NO_BUCKET) or "without LOCATION" in str(fault)
