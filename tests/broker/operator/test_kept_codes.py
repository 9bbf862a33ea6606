"""Codes of a batch that was issued are never lost, whatever ends the command."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from veilmart.broker.accounts.vouchers import Issued, issue_vouchers
from veilmart.broker.home import open_home
from veilmart.broker.operator.kept_codes import issued_and_kept, kept_batch, kept_names
from veilmart.errors import BadArgument, DatabaseFailure, NoSuchCode

NOW = 1_800_000_000


def issue(conn: Connection) -> Issued:
    return issue_vouchers(conn, 3, 500, NOW, os.urandom)


def refuse(conn: Connection) -> Issued:
    issue(conn)
    raise BadArgument


@pytest.mark.parametrize("fault", [KeyboardInterrupt, DatabaseFailure])
def test_codes_are_kept_when_the_command_ends_behind_its_commit(
    home: Path, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException]
) -> None:
    with open_home(home) as opened:
        run = opened.database.run_now

        def interrupted(function: Callable[..., Any], *args: Any) -> Any:
            run(function, *args)
            raise fault

        monkeypatch.setattr(opened.database, "run_now", interrupted)
        with pytest.raises(fault), issued_and_kept(opened, "voucher", "5.00", issue):
            pass
        monkeypatch.undo()
        with kept_batch(opened, "voucher") as kept:
            assert len(kept.codes) == 3


def test_a_refused_batch_leaves_no_codes(home: Path) -> None:
    with open_home(home) as opened:
        with pytest.raises(BadArgument), issued_and_kept(opened, "voucher", "5.00", refuse):
            pass
        assert kept_names(opened) == []
        with pytest.raises(NoSuchCode), kept_batch(opened, "voucher"):
            pass
