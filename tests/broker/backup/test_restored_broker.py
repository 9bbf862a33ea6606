"""A broker that goes back to a backup makes nothing that wallets would take for a fork."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.broker.backup.put_back import put_back
from tests.broker.called import run
from tests.support.broker_market import Market
from veilmart.broker import merchants
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.home import open_home, renew_descriptor
from veilmart.broker.schema import tables
from veilmart.errors import BackupOlder
from veilmart.protocol.descriptor import check_descriptor
from veilmart.storage.backup.backup import back_up


async def test_wallets_and_merchants_accept_what_follows(market: Market, tmp_path: Path) -> None:
    opened, now = market.opened, market.clock()
    archive = back_up(
        opened.home, LAYOUT, tmp_path / "b.tar", identity=opened.fingerprint, now=now
    ).path
    newest = market.broker.state.own.newest
    assert newest.secrets.signing_seed not in archive.read_bytes()
    await market.customer("anna", 2000)
    opened.database.close()
    with pytest.raises(BackupOlder):
        put_back(archive, opened, over_newer=False)
    with open_home(opened.home.path) as same:
        assert same.database.run_now(merchants.load_merchants)
    put_back(archive, opened)
    with open_home(opened.home.path) as restored:
        known = newest.public
        own = renew_descriptor(restored, now, os.urandom)
        fresh = own.newest.public
        assert fresh.descriptor.serial == known.descriptor.serial + 1_000_000
        check_descriptor(
            fresh.signed, role="broker", fingerprint=opened.fingerprint, now=now, known=known
        )
        # Only once: the next one follows it as usual.
        again = renew_descriptor(restored, now, os.urandom).newest
        assert again.serial == fresh.descriptor.serial
        sequence = select(tables.merchants.c.last_sequence)
        assert restored.database.run_now(lambda c: c.execute(sequence).scalar_one()) == 1_000_000
        assert restored.database.run_now(lambda c: c.execute(select(tables.customers)).all()) == []
        assert list(restored.home.path.glob(".restore*")) == []


def test_the_commands(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broker.tar"
    assert run("backup", str(file), home=home) == 0
    assert "Backup written to" in capsys.readouterr().out
    assert run("restore", str(file), home=home) == 0
    assert "What was there is in" in capsys.readouterr().out
    assert run("audit", home=home) == 0
    assert run("restore", str(tmp_path / "none.tar"), home=home) == 2
    assert "1143" in capsys.readouterr().err
