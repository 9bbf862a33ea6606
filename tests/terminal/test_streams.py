"""Streams that are closed, full, gone or at their end: an error and an exit code, no traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real_market import run, succeed
from tests.support.real_program import program
from tests.support.screen import END_OF_FILE, INTERRUPT, on_a_terminal
from veilmart.errors import (
    NO_MONEY,
    BadArgument,
    Declined,
    InputEnded,
    Interrupted,
    NoSuchCode,
    OutputLost,
)
from veilmart.storage.files.home import Home
from veilmart.terminal.command import READER_GONE
from veilmart.terminal.streams import tell

ASKING = "tests.terminal.asking"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VEILMART_HOME with a broker."""
    folder = tmp_path_factory.mktemp("streams")
    succeed(folder, "broker", "init")
    return folder


@pytest.mark.parametrize("option", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("shell", ["> /dev/full", ">&-", ">&- <&-"])
def test_output_that_cannot_be_written_is_said(
    home: Path, shell: str, option: tuple[str, ...]
) -> None:
    done = program("broker", "accounts", *option, home=home, shell=shell)
    said = done.stderr.decode()
    assert done.returncode == OutputLost.exit_code
    assert f"(error {OutputLost.code})" in said
    assert "Traceback" not in said and "Exception ignored" not in said


@pytest.mark.parametrize("shell", ["2>&-", "2> /dev/full", ">&- 2>&-"])
def test_errors_that_cannot_be_written_leave_the_exit_code(home: Path, shell: str) -> None:
    done = program("broker", "credit", "nobody", "5.00", home=home, shell=shell)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


@pytest.mark.parametrize("kind", ["voucher", "invitation"])
@pytest.mark.parametrize("lost", ["> /dev/full", ">&-"])
def test_codes_that_were_not_written_out_are_kept_until_they_are(
    home: Path, kind: str, lost: str
) -> None:
    value = ("--value", "5.00") if kind == "voucher" else ()
    done = program("broker", kind, "issue", "--count", "3", *value, home=home, shell=lost)
    assert done.returncode == OutputLost.exit_code
    assert f"veilmart broker {kind} show" in done.stderr.decode()
    again = program("broker", kind, "show", home=home, shell=lost)
    assert again.returncode == OutputLost.exit_code
    shown = json.loads(succeed(home, "broker", kind, "show", "--json"))
    assert len(set(shown["codes"])) == 3
    listed = json.loads(succeed(home, "broker", kind, "list", "--json"))
    assert {line["batch"]: line["issued"] for line in listed}[shown["batch"]] == 3
    over = run(home, "broker", kind, "show")
    assert f"(error {NoSuchCode.code})" in over.err
    assert not list((home / "broker").glob("codes-*"))


def test_codes_whose_sheet_cannot_be_written_are_kept(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sheet = str(tmp_path / "file" / "cards.html")
    done = run(home, "broker", "voucher", "issue", "--value", "1", "--sheet", sheet)
    assert done.code == OutputLost.exit_code and done.out == ""
    shown = json.loads(succeed(home, "broker", "voucher", "show", "--json"))
    assert len(shown["codes"]) == 1


@pytest.mark.parametrize(
    ("words", "done"),
    [
        (("customer", "wallet", "create", "--no-passphrase"), False),
        (("broker", "voucher", "issue", "--value", "5.00"), True),
        (("broker", "invitation", "issue", "--json"), True),
        (("broker", "accounts"), False),
    ],
)
def test_a_reader_that_has_gone_is_no_success(
    home: Path, words: tuple[str, ...], done: bool
) -> None:
    """done: with a code to show again."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "veilmart", *words]
        env = {**os.environ, "VEILMART_HOME": str(home)}
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=writing, stderr=-1, env=env, check=False
        )
    finally:
        os.close(writing)
    assert b"Traceback" not in ended.stderr
    if not done:
        assert ended.returncode == READER_GONE
        assert not (home / "customer").exists()
        return
    assert ended.returncode == OutputLost.exit_code
    succeed(home, *words[:2], "show")


def test_lost_output_does_not_claim_an_effect(tmp_path: Path) -> None:
    words = ("customer", "wallet", "create", "--no-passphrase")
    done = program(*words, home=tmp_path, shell="> /dev/full")
    said = done.stderr.decode()
    assert "(error 5131)" in said and "It took effect" not in said and "run it again, see" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stream", ["<&-", "< /dev/null"])
def test_a_question_without_an_answer_ends_the_command(home: Path, stream: str) -> None:
    words = ("broker", "user", "reset", "anna", "--password-file", "-")
    done = program(*words, home=home, shell=stream)
    assert done.returncode == InputEnded.exit_code
    assert f"(error {InputEnded.code})" in done.stderr.decode()


def test_end_of_input_at_a_hidden_prompt_is_an_error_and_no_traceback(tmp_path: Path) -> None:
    code, said = on_a_terminal(
        "customer", "wallet", "create", home=tmp_path, types=END_OF_FILE, after="passphrase: "
    )
    assert code == InputEnded.exit_code
    assert f"(error {InputEnded.code})" in said and "Traceback" not in said


def test_words_that_are_no_text_are_refused(home: Path) -> None:
    for words in (
        ("broker", "credit", "caf\udce9", "5.00"),
        ("broker", "price-points", "set", "1.00", "\udce9"),
        ("customer", "buy", "caf\udce9"),
    ):
        done = program(*words, home=home)
        assert done.returncode == 2
        assert "is not UTF-8 text" in done.stderr.decode()
        assert f"(error {BadArgument.code})" in done.stderr.decode()


def test_a_home_of_nobody_is_refused(home: Path) -> None:
    for env in ({"VEILMART_HOME": "~nosuchuser"}, {"VEILMART_DATABASE": "~nosuchuser/url"}):
        done = program("broker", "accounts", home=home, env=env)
        assert done.returncode == 2
        assert "no such user" in done.stderr.decode()


def test_a_home_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadArgument, match=r"caf\\xe9"):
        Home(tmp_path / "caf\udce9")
    assert not list(tmp_path.iterdir())


def test_a_server_goes_on_when_nobody_reads_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, _text: str) -> int:
            raise OutputLost

        def flush(self) -> None:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stdout", Full())
    tell("Broker listening on 127.0.0.1:8000")


@pytest.mark.parametrize("question", ["confirm", "secret"])
def test_one_ctrl_c_at_a_question_of_an_asynchronous_command_ends_it(
    tmp_path: Path, question: str
) -> None:
    code, said = on_a_terminal(
        question, home=tmp_path, types=INTERRUPT, after="Shall I? ", module=ASKING
    )
    assert code == Interrupted.exit_code
    assert f"(error {Interrupted.code})" in said
    assert "CARRIED OUT" not in said and "customer sync" not in said and "money" not in said


def test_a_no_is_one_error_for_every_command() -> None:
    assert "order" not in Declined.summary and Declined.money == ""
    bought = Declined("The order was dropped.", money=NO_MONEY)
    assert bought.explain().splitlines()[:2] == [
        f"You declined. The order was dropped. (error {Declined.code})",
        NO_MONEY,
    ]
