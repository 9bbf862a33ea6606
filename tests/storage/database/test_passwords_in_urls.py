"""A password in a database URL is in no error, no chain of errors, no traceback and no log."""

import logging
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.storage.database.sample_tables import open_sample
from veilmart.errors import VeilmartError
from veilmart.storage.database.open_database import open_database
from veilmart.storage.files.home import Home
from veilmart.storage.files.locations import database_place

PASSWORDS = [
    "p@ssZQ9",
    "ZQ9/x",
    "ZQ9?x",
    "ZQ9#x",
    "ZQ9:x",
    "%ZQ9",
    "ZQ9%zz",
    "ZQ9 x",
    "ZQ9&x=1",
    "ZQ9[x",
    "ZQ9]x",
    "ZQ9\\x",
    "ZQ9'x",
    'ZQ9"x',
    "ZQ9é",
    "ZQ9@h:1/",
    "a@ZQ9@b",
    ":@ZQ9",
]
PLACES = ["127.0.0.1:9", "127.0.0.1:9,127.0.0.1:10", "nowhere.invalid", "[bad", "h:port", ""]
SECRET = "ZQ9"
URLS = [
    f"{scheme}://user:{form}@{place}/db"
    for scheme in ("postgresql", "postgresql+psycopg")
    for password in PASSWORDS
    for form in (password, quote(password, safe=""))
    for place in PLACES
]


def everything_said(error: BaseException | None) -> str:
    """The error with all that it came from, also what `from None` hides."""
    said, seen = [], set()
    todo = [error]
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        said += [str(one), repr(one), "".join(traceback.format_exception_only(one))]
        todo += [one.__cause__, one.__context__]
    return "\n".join(said)


def test_no_form_of_a_password_is_in_an_error_or_its_chain(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        for url in URLS:
            with pytest.raises(VeilmartError) as caught:
                open_sample(url)
            assert SECRET not in everything_said(caught.value), url
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    "chosen",
    [
        "user:ZQ9@host/db",
        "postgres//user:ZQ9@host/db",
        "mysql://user:ZQ9@host/db",
        "postgresql+asyncpg://user:ZQ9@host/db",
        "postgresql:/user:ZQ9@host/db",
        "oracle://user:ZQ9[@host:x/db",
        "postgresql://host/db?password=ZQ9&port=x",
        "postgresql://host/db?password=ZQ9&nonsense=1",
    ],
)
def test_a_url_that_is_mistyped_is_not_repeated(tmp_path: Path, chosen: str) -> None:
    from sqlalchemy import MetaData

    with pytest.raises(VeilmartError) as caught:
        place = database_place(Home(tmp_path / "home"), chosen, "x.sqlite")
        open_database(place, MetaData(), tmp_path)
    assert SECRET not in everything_said(caught.value)
