"""The merchant's Goods page in a shop of 10,000 products: opened and filtered, in server time."""

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.web.large_shop import PRODUCTS, OpenFace, large_shop

BOUND_MS = 150.0
ROUNDS = 9


def rows() -> list[dict[str, object]]:
    """Two rows; ratio 1 means 150 ms."""
    with tempfile.TemporaryDirectory() as folder, large_shop(Path(folder) / "merchant") as face:
        found = face.ask("POST", "/goods/find", find="chart 099")[1][b"location"].decode()
        return [_row("opened", face, "/goods"), _row("filtered", face, found)]


def _row(what: str, face: OpenFace, path: str) -> dict[str, object]:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        status, _headers, body = face.ask("GET", path)
        took.append((time.perf_counter() - began) * 1000)
        assert status == 200
    milliseconds = median(took)
    return {
        "name": f"goods of {PRODUCTS} products {what} at the merchant's page / 150 ms",
        "ratio": round(BOUND_MS / milliseconds, 3),
        "reach": 1.0,
        "milliseconds": round(milliseconds, 1),
        "bytes": len(body),
    }


if __name__ == "__main__":
    print(rows())
