"""`veilmart ...` whose merchant tells the lie that the file $VEILMART_TEST_LIE names; a program.

Everything but the one lie is the real merchant: `python -m tests.escrow.crooked_merchant`.
"""

import os
from pathlib import Path
from typing import Any

from tests.support.signed_orders import resigned
from veilmart.cli import main
from veilmart.errors import StoreDamaged
from veilmart.merchant.server import http_app
from veilmart.protocol import offer as offers, parcel

HONEST = "none"


def told() -> str:
    return Path(os.environ["VEILMART_TEST_LIE"]).read_text().strip()


def crooked_key(suite: Any, escrow: bytes, key: bytes, order: bytes) -> bytes:
    sealed = os.urandom(32) if told() == "key" else key
    return _honest_key(suite, escrow, sealed, order)


def crooked_segment(*args: Any) -> bytes:
    _suite, _key, seed, order, index, count, piece = args
    if told() == "nothing":
        raise StoreDamaged
    if told() == "piece" and index == count - 1:
        return parcel.seal_segment(*args[:-1], b"x" * len(piece))  # type: ignore[call-arg]
    honest = parcel.seal_segment(*args)
    if told() == "damage" and index == count - 1:
        return resigned(seed, order, index, count, honest)
    return honest


_honest_key = offers.seal_content_key

if __name__ == "__main__":
    offers.seal_content_key = crooked_key  # type: ignore[assignment]
    http_app.seal_segment = crooked_segment  # type: ignore[assignment, attr-defined]
    main()
