"""The merchant's commands, called in this process."""

import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.scripted_merchant import FakeBroker
from veilmart.crypto.identity import IdentityKey
from veilmart.merchant import home
from veilmart.merchant.back_office import setup
from veilmart.merchant.cli.root import app
from veilmart.protocol.descriptor import read_descriptor, sign_descriptor

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fresh(
    broker: FakeBroker, merchant_key: IdentityKey, monkeypatch: pytest.MonkeyPatch
) -> FakeBroker:
    """A broker that is reached, with a descriptor of today."""
    now = int(time.time())
    today = msgspec.structs.replace(
        broker.known.descriptor, not_before=now, not_after=now + 7 * 24 * 3600
    )
    broker.known = read_descriptor(sign_descriptor(today, broker.key))

    async def get(*_: object, **__: object) -> bytes:
        return broker.known.signed

    monkeypatch.setattr(setup.StreamClient, "get", get)  # type: ignore[attr-defined]
    monkeypatch.setattr(home.identity, "generate_identity", lambda: merchant_key)  # type: ignore[attr-defined]
    return broker


@pytest.fixture
def say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Say]:
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words: str, answers: str = "") -> tuple[int, str, str]:
        stdin = io.TextIOWrapper(io.BytesIO(answers.encode()))
        monkeypatch.setattr(sys, "stdin", stdin)
        code = app([*words, "--home", str(tmp_path / "home")], result_action="return_value")
        out, err = capfd.readouterr()
        return code, out, err

    yield command


@pytest.fixture
def goods(tmp_path: Path) -> Path:
    folder = tmp_path / "goods"
    folder.mkdir()
    (folder / "alpha.txt").write_text("alpha\n")
    (folder / "beta.txt").write_text("beta\n")
    return folder
