"""The audit finds each of many corruptions under its own name, and nothing in books that are right.

One broker with a whole life behind it is made once; each corruption is done to a copy of it, on
a connection of the intruder's own, without triggers, foreign keys and checks.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pysqlite3 import dbapi2
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import make_url

from tests.broker.audit.audited_market import Life, live
from tests.broker.audit.corruptions import CORRUPTIONS, Corruption
from tests.broker.called import run
from tests.support.postgres import PostgresServer
from veilmart.broker import settings
from veilmart.broker.audit import SUBJECTS, Check, audit
from veilmart.broker.audit.findings import FINDINGS_KEPT_MAX, Tally
from veilmart.broker.home import DATABASE_FILE, SCHEMA, open_home
from veilmart.crypto.identity import IdentityKey
from veilmart.protocol.order_key import operation_id


@dataclass
class Lived:
    """home: a broker's, closed. database: where its PostgreSQL database is, if it has one."""

    home: Path
    life: Life
    database: str | None = None

    def audit(self) -> list[Check]:
        with open_home(self.home, self.database) as opened:
            return opened.database.read_now(audit, opened.fingerprint)


@pytest.fixture(scope="module")
def lived(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    merchant_key: IdentityKey,
    other_key: IdentityKey,
) -> Lived:
    home = tmp_path_factory.mktemp("lived") / "broker"
    shutil.copytree(template, home)
    with open_home(home) as opened:
        return Lived(home, asyncio.run(live(opened, merchant_key, other_key)))


@pytest.fixture
def copy(lived: Lived, tmp_path: Path) -> Lived:
    home = tmp_path / "broker"
    shutil.copytree(lived.home, home)
    return Lived(home, lived.life)


def corrupt(conn: Connection, corruption: Corruption, life: Life) -> None:
    if callable(corruption.does):
        corruption.does(conn, life)
        return
    bound: dict[str, Any] = {name.replace(" ", "_"): order for name, order in life.orders.items()}
    bound["junk"], bound["short"] = os.urandom(32), os.urandom(8)
    bound["pay_folded"] = operation_id(life.orders["folded"], "pay")
    for statement in corruption.does:
        clause = text(statement)
        conn.execute(clause, {name: bound[name] for name in clause.compile().params})


def intrude_sqlite(home: Path, corruption: Corruption, life: Life) -> None:
    """The triggers are put back afterwards, as somebody would who does not want to be found."""
    engine = create_engine(f"sqlite:///{home / DATABASE_FILE}", module=dbapi2)
    event.listen(
        engine, "connect", lambda raw, _: raw.execute("PRAGMA ignore_check_constraints = ON")
    )
    guarded = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    with engine.begin() as conn:
        triggers = [] if "TRIGGER" in str(corruption.does) else conn.execute(guarded).all()
        for name, _sql in triggers:
            conn.execute(text(f"DROP TRIGGER {name}"))
        corrupt(conn, corruption, life)
        for _name, sql in triggers:
            conn.exec_driver_sql(sql)
    engine.dispose()


def intrude_postgres(url: str, corruption: Corruption, life: Life) -> None:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as conn:
        conn.execute(text(f"SET LOCAL search_path = {SCHEMA}"))
        conn.execute(text("SET LOCAL session_replication_role = replica"))
        corrupt(conn, corruption, life)
    engine.dispose()


def names(checks: list[Check]) -> set[str]:
    return {finding.name for check in checks for finding in check.findings}


def check_wording(checks: list[Check]) -> None:
    """Each finding says which row and what, in a sentence; nothing secret is in it."""
    for check in checks:
        for finding in check.findings:
            assert finding.row and finding.what.endswith("."), finding
            assert len(finding.what) < 200, finding
            assert "argon2" not in finding.what and "correct horse" not in finding.what


# ---- books that are right ------------------------------------------------------------------------


def test_a_whole_life_has_nothing_to_find(lived: Lived) -> None:
    checks = lived.audit()
    assert [check.name for check in checks] == list(SUBJECTS)
    assert names(checks) == set()
    assert all(check.counted for check in checks)


def test_there_are_enough_corruptions_and_no_two_alike() -> None:
    assert len(CORRUPTIONS) >= 30
    done = [str(corruption.does) for corruption in CORRUPTIONS.values()]
    assert len(set(done)) == len(done)


# ---- books that are not --------------------------------------------------------------------------


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_it_finds(copy: Lived, name: str) -> None:
    corruption = CORRUPTIONS[name]
    intrude_sqlite(copy.home, corruption, copy.life)
    checks = copy.audit()
    assert corruption.finding in names(checks), checks
    check_wording(checks)


@pytest.fixture(scope="module")
def lived_there(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    merchant_key: IdentityKey,
    other_key: IdentityKey,
    postgres_server: PostgresServer,
) -> Iterator[Lived]:
    home = tmp_path_factory.mktemp("lived") / "broker"
    shutil.copytree(template, home)
    url = postgres_server.new_database()
    with open_home(home, url) as opened:
        with open_home(home) as defaults:
            opened.database.run_now(settings.replace, defaults.database.run_now(settings.load))
        life = asyncio.run(live(opened, merchant_key, other_key))
    yield Lived(home, life, url)
    postgres_server.drop(url)


@pytest.fixture
def copy_there(lived_there: Lived, postgres_server: PostgresServer) -> Iterator[Lived]:
    assert lived_there.database is not None
    url = postgres_server.new_database(lived_there.database)
    yield Lived(lived_there.home, lived_there.life, url)
    postgres_server.drop(url)


def test_a_whole_life_on_postgresql_has_nothing_to_find(lived_there: Lived) -> None:
    assert names(lived_there.audit()) == set()


@pytest.mark.parametrize("name", [name for name, one in CORRUPTIONS.items() if one.both])
def test_it_finds_on_postgresql(copy_there: Lived, name: str) -> None:
    corruption = CORRUPTIONS[name]
    assert copy_there.database is not None
    intrude_postgres(copy_there.database, corruption, copy_there.life)
    checks = copy_there.audit()
    assert corruption.finding in names(checks), checks
    check_wording(checks)


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_says_what_is_wrong(copy: Lived, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", home=copy.home) == 0
    said = capsys.readouterr().out
    assert "The books are in order." in said and "Paid in " in said
    intrude_sqlite(copy.home, CORRUPTIONS["an order settled by hand"], copy.life)
    assert run("audit", home=copy.home) == 7
    said = capsys.readouterr().out
    assert "BROKEN orders" in said and "order-money: order " in said
    assert "THE BOOKS ARE BROKEN." in said
    assert run("audit", "--json", home=copy.home) == 7
    told = json.loads(capsys.readouterr().out)
    assert not told["ok"]
    (orders,) = [check for check in told["checks"] if check["name"] == "orders"]
    held = copy.life.orders["held"].hex()[:16]
    assert {"order-money"} <= {one["name"] for one in orders["findings"]}
    assert all(one["row"] == f"order {held}" for one in orders["findings"])


def test_somebody_elses_database_is_not_ours(copy: Lived) -> None:
    """All of it may be right, but it is not what our identity stands for."""
    with open_home(copy.home) as opened:
        checks = opened.database.read_now(audit, bytes(32))
    assert {"descriptor-identity", "receipt-signature", "invoice-differs"} <= names(checks)


# ---- bounds --------------------------------------------------------------------------------------


def test_a_ruined_database_costs_no_memory() -> None:
    told: list[tuple[str, int]] = []
    tally = Tally("orders", lambda name, rows: told.append((name, rows)))
    for number in range(50_000):
        tally.row()
        tally.find("order-money", f"order {number}", "It is wrong.")
    check = tally.check()
    assert (check.counted, check.found, len(check.findings)) == (50_000, 50_000, FINDINGS_KEPT_MAX)
    assert told == [("orders", 20_000), ("orders", 40_000)]
