"""A broker or merchant that gives a wrong key or piece."""

import os
from typing import Any

import pytest

from veilmart.protocol import offer as offers, parcel


def wrong_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealed key opens to another content key."""
    real = offers.seal_content_key

    def lie(suite: Any, escrow: bytes, key: bytes, order: bytes) -> bytes:
        return real(suite, escrow, os.urandom(32), order)

    monkeypatch.setattr(offers, "seal_content_key", lie)


def other_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sealed rightly, and something else."""

    def lie(*args: Any) -> bytes:
        return parcel.seal_segment(*args[:-1], bytes(len(args[-1])))  # type: ignore[call-arg]

    monkeypatch.setattr("veilmart.merchant.server.http_app.seal_segment", lie)
