"""A broker on PostgreSQL goes back to a backup, or moves there from SQLite, like any other."""

import json
import os
from pathlib import Path

import pytest
from sqlalchemy import select, text

from tests.broker.called import run
from tests.broker.operator.bought import bought
from tests.support.broker_market import Market
from veilmart.broker.audit import audit
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.home import DATABASE_FILE, BrokerHome, open_home, renew_descriptor
from veilmart.broker.schema import tables
from veilmart.errors import BackupOlder, DatabaseFailure, Misuse
from veilmart.protocol.descriptor import check_descriptor
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import Restored, restore


@pytest.fixture
def database_url(postgres: str) -> str:
    """Every market of this file is on the server."""
    return postgres


def keep(opened: BrokerHome, target: Path, now: int) -> Path:
    return back_up(
        opened.home,
        LAYOUT,
        target,
        identity=opened.fingerprint,
        now=now,
        database=opened.database,
    ).path


def put_back(archive: Path, opened: BrokerHome, url: str | None, *, over_newer: bool) -> Restored:
    return restore(
        archive,
        opened.home.path,
        LAYOUT,
        identity=opened.fingerprint,
        over_newer=over_newer,
        database=url,
    )


async def test_serials_jump_and_no_private_key_is_in_the_backup(
    market: Market, database_url: str, tmp_path: Path
) -> None:
    opened, now = market.opened, market.clock()
    anna = await market.customer("anna", 2000)
    await bought(market, anna)
    archive = keep(opened, tmp_path / "b.tar", now)
    newest = market.broker.state.own.newest
    assert newest.secrets.signing_seed not in archive.read_bytes()
    for key in newest.secrets.tunnel_keys.values():
        assert key not in archive.read_bytes()
    await market.customer("bert", 1000)
    with pytest.raises(BackupOlder):
        put_back(archive, opened, database_url, over_newer=False)
    assert market.run(lambda c: len(c.execute(select(tables.customers)).all())) == 2
    await market.broker.aclose()
    opened.database.close()
    done = put_back(archive, opened, database_url, over_newer=True)
    assert done.schema_aside == "veilmart_broker_replaced_1"
    with open_home(opened.home.path) as restored:  # it remembers where its tables are
        own = renew_descriptor(restored, now, os.urandom).newest.public
        known = newest.public
        assert own.descriptor.serial == known.descriptor.serial + 1_000_000
        check_descriptor(
            own.signed, role="broker", fingerprint=opened.fingerprint, now=now, known=known
        )
        runs = restored.database.run_now
        sequence = select(tables.merchants.c.last_sequence)
        assert runs(lambda c: c.execute(sequence).scalar_one()) >= 1_000_000
        assert [row.username for row in runs(lambda c: c.execute(select(tables.customers)).all())]
        assert [check for check in runs(audit) if not check.holds] == []
        with pytest.raises(DatabaseFailure, match="only grows"):
            runs(lambda c: c.execute(text("DELETE FROM postings")))
        kept = text("SELECT count(*) FROM veilmart_broker_replaced_1.customers")
        assert runs(lambda c: c.execute(kept).scalar_one()) == 2


async def test_numbers_go_on_after_the_restored_ones(
    market: Market, database_url: str, tmp_path: Path
) -> None:
    await market.customer("anna", 2000)
    archive = keep(market.opened, tmp_path / "b.tar", market.clock())
    last = market.run(lambda c: c.execute(text("SELECT max(id) FROM transactions")).scalar_one())
    await market.broker.aclose()
    market.opened.database.close()
    put_back(archive, market.opened, database_url, over_newer=True)
    for args in (["credit", "anna", "3"], ["audit"]):
        assert run(*args, home=market.opened.home.path) == 0
    with open_home(market.opened.home.path) as restored:
        fresh = restored.database.run_now(
            lambda c: c.execute(text("SELECT max(id) FROM transactions")).scalar_one()
        )
    assert fresh == last + 1


def test_a_home_moves_from_sqlite_to_postgresql(
    home: Path, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broker.tar"
    assert run("backup", str(file), home=home) == 0
    capsys.readouterr()
    assert run("restore", str(file), "--database", database_url, "--json", home=home) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["schema_aside"] is None
    assert Path(done["put_aside"], DATABASE_FILE).is_file()
    assert not (home / DATABASE_FILE).exists()
    assert run("audit", home=home) == 0
    assert run("restore", str(file), home=home) == 0
    assert "The tables before are in the schema" in capsys.readouterr().out


async def test_a_table_that_no_backup_would_hold_is_noticed(market: Market, tmp_path: Path) -> None:
    market.run(lambda c: c.execute(text("CREATE TABLE extra (id INT)")).rowcount)
    with pytest.raises(Misuse, match="extra"):
        keep(market.opened, tmp_path / "b.tar", market.clock())


async def test_a_restore_that_is_cut_off_changes_nothing(
    market: Market, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await market.customer("anna", 2000)
    archive = keep(market.opened, tmp_path / "b.tar", market.clock())
    await market.customer("bert", 1000)

    def cut(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("veilmart.storage.backup.postgres_restore.move_serials", cut)
    with pytest.raises(KeyboardInterrupt):
        put_back(archive, market.opened, database_url, over_newer=True)
    assert market.run(lambda c: len(c.execute(select(tables.customers)).all())) == 2
    market.check_books()
