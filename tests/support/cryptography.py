"""Which signatures are made or verified while a transaction is open."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from veilmart.crypto import blind_rsa, identity, signing

# Each is called once by every signature and every verification of its kind.
_CALLED = (
    (signing, "_labelled"),
    (identity, "_labelled"),
    (blind_rsa, "_library_key"),
    (blind_rsa, "signs"),
)


_TRANSACTIONS = {
    ("veilmart.storage.database.group_commit", "_attempt"),
    ("veilmart.storage.database.postgres_database", "_once"),
}
"""Where the engines call a transaction; readings are called from elsewhere."""


@contextmanager
def in_transactions() -> Iterator[set[str]]:
    """Who did cryptography in a transaction: "function < its caller < ..." of our own code.

    Readings do not count, as they keep nobody from writing.
    """
    found: set[str] = set()

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            names = _callers()
            if names is not None:
                found.add(names)
            return original(*args, **kwargs)

        return called

    with pytest.MonkeyPatch.context() as patch:
        for module, name in _CALLED:
            patch.setattr(module, name, watched(getattr(module, name)))
        yield found


def _callers() -> str | None:
    """Our functions up to the engine's transaction, the innermost first; None outside of one."""
    frame: FrameType | None = sys._getframe(2)
    names: list[str] = []
    while frame is not None:
        module, function = str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        if (module, function) in _TRANSACTIONS:
            return " < ".join(names[:4])
        if module.startswith("veilmart.") and not module.startswith("veilmart.crypto"):
            names.append(f"{module.removeprefix('veilmart.')}.{function}")
        frame = frame.f_back
    return None
