"""Wrong words of a command: a sentence for people, one JSON object for programs."""

import json

import pytest

from tests.terminal.usage import said
from veilmart.cli import wants_json
from veilmart.errors import BadArgument


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("broker credit anna", "amount"),
        ("merchant import", "folder"),
        ("broker run --port many", "port"),
        ("customer buy --prize 3", "--prize"),
        ("merchant nosuch", "nosuch"),
        ("nosuch", "nosuch"),
    ],
)
def test_a_missing_or_wrong_word_is_json_where_json_was_asked_for(
    words: str, names: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(words + " --json", monkeypatch, capsys)
    error = json.loads(out)["error"]
    assert (code, error["code"], err) == (2, BadArgument.code, "")
    assert names in error["detail"].lower()
    assert "\n" not in out.strip() and "╭" not in out
    code, out, err = said(words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert names in err.lower()


def test_what_follows_two_dashes_is_no_option() -> None:
    assert wants_json(["broker", "--json"])
    assert not wants_json(["customer", "buy", "--", "--json"])
