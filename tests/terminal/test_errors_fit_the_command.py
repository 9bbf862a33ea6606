"""Errors speak of what the command is about: money, a purchase under way, or neither."""

import inspect
from pathlib import Path

import pytest

from tests.support.called_commands import TREE
from tests.support.real_market import run as run_program
from tests.support.screen import INTERRUPT, on_a_terminal
from veilmart.errors import (
    NO_MONEY,
    AuthenticationFailed,
    BrokerUnreachable,
    DiskFull,
    Interrupted,
    VeilmartError,
)
from veilmart.terminal.command import MONEY, PLAIN, PURCHASE, Subject, run

NOWHERE = "http://127.0.0.1:9"
ABOUT_MONEY = {
    *("broker credit", "broker reverse-credit", "broker payout"),
    *("merchant refund", "merchant withdraw-request"),
    *("customer buy", "customer shop", "customer sync", "customer cancel", "customer fetch"),
    *("customer dispute", "customer redeem", "customer restore-order", "customer restore-orders"),
    *("customer tokens withdraw", "customer tokens deposit"),
}


@pytest.mark.parametrize(
    "words",
    [
        ("customer", "join", NOWHERE),
        ("merchant", "init", "--broker", NOWHERE, "--yes"),
        ("customer", "merchants"),
    ],
)
def test_no_money_is_spoken_of_where_none_can_move(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = run_program(tmp_path, *words)
    assert done.code in (2, 4) and "(error " in done.err
    assert NO_MONEY not in done.err and "Your money" not in done.err


def test_every_command_about_money_says_so_and_no_other() -> None:
    about = set()
    for path, command in TREE:
        function = command.default_command
        held = inspect.getclosurevars(function).nonlocals if function is not None else {}
        subject = held.get("subject")
        if isinstance(subject, Subject) and subject.money:
            about.add(" ".join(path))
    assert about == ABOUT_MONEY


@pytest.mark.parametrize("subject", [PLAIN, MONEY, PURCHASE])
def test_the_line_about_money_is_the_subjects(
    subject: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(error: VeilmartError) -> str:
        def act() -> None:
            raise error

        run(act, json=False, subject=subject)
        return capsys.readouterr().err

    assert (NO_MONEY in fail(BrokerUnreachable())) == subject.money
    assert ("customer sync" in fail(DiskFull())) == subject.purchase
    assert "money" not in fail(AuthenticationFailed())


def test_ctrl_c_at_words_speaks_of_words(tmp_path: Path) -> None:
    code, said = on_a_terminal(
        *("customer", "wallet", "create", "--no-passphrase"),
        home=tmp_path,
        types=INTERRUPT,
        after="Word ",
    )
    assert code == Interrupted.exit_code
    assert "The words above are worth nothing." in said
    assert "customer sync" not in said and "completed steps" not in said
