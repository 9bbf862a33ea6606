"""A merchant's program that delivers something else than it promised, while a file is there."""

from pathlib import Path
from typing import Any

import veilmart.merchant.server.http_app as merchant_app


def cheat(folder: Path) -> None:
    """From now on, while `folder`/merchant.cheat exists, a segment holds another piece."""
    seal = merchant_app.seal_segment  # type: ignore[attr-defined]
    flag = folder / "merchant.cheat"

    def sealed(*args: Any) -> bytes:
        *before, piece = args
        if flag.exists():
            piece = bytes([piece[0] ^ 1]) + bytes(piece[1:])
        return seal(*before, piece)  # type: ignore[call-arg]

    merchant_app.seal_segment = sealed  # type: ignore[assignment, attr-defined]
