"""What is wrong with a bucket is named: which of its many faults, and what to do."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from veilmart.errors import BucketMissing, StoreAway, StoreFailed, StoreRefused
from veilmart.storage.products import bucket_store
from veilmart.storage.products.bucket_store import ObjectStore

SECRET = "the-secret-access-key"


class Answering(ThreadingHTTPServer):
    """Answers every request with one status and one of S3's codes."""

    status, code = 200, ""


class Handler(BaseHTTPRequestHandler):
    def answer(self) -> None:
        server = self.server
        assert isinstance(server, Answering)
        body = f"<Error><Code>{server.code}</Code><Message>no</Message></Error>".encode()
        self.send_response(server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answering]:
    server = Answering(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "name",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(bucket_store, "_RETRIES", 0)
    yield server
    server.shutdown()
    server.server_close()


def said(act: str) -> StoreAway:
    store = ObjectStore("s3://goods/shop")
    with pytest.raises(StoreAway) as caught:
        if act == "check":
            store.check()
        elif act == "put":
            store.put([b"x"], 1)
        else:
            store.read(bytes(32), 0, 1)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("act", ["check", "put", "read"])
@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (503, "SlowDown", StoreFailed, "503 SlowDown"),
        (500, "InternalError", StoreFailed, "500 InternalError"),
        (400, "ExpiredToken", StoreRefused, "AWS_SESSION_TOKEN has expired"),
        (403, "InvalidAccessKeyId", StoreRefused, "does not know AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", StoreRefused, "AWS_SECRET_ACCESS_KEY does not belong"),
        (403, "AccessDenied", StoreRefused, "may not do that"),
        (403, "RequestTimeTooSkewed", StoreRefused, "clock"),
        (401, "Unheard", StoreRefused, "401 Unheard"),
        (404, "NoSuchBucket", BucketMissing, "404 NoSuchBucket"),
        (301, "PermanentRedirect", BucketMissing, ""),
    ],
)
def test_an_answer_is_named(
    s3: Answering, act: str, status: int, code: str, kind: type[StoreAway], words: str
) -> None:
    s3.status, s3.code = status, code
    error = said(act)
    assert type(error) is kind
    assert words in str(error)


def test_a_dead_address_and_a_dead_proxy_are_told_apart(
    s3: Answering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://name:hidden@127.0.0.1:9")
    error = said("check")
    assert type(error) is StoreAway and "proxy of HTTP_PROXY" in str(error)
    assert "hidden" not in str(error)
    monkeypatch.delenv("HTTP_PROXY")
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    assert "Nothing answered at 127.0.0.1" in str(said("check"))
