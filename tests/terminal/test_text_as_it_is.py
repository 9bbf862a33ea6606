"""What people copy or compare reaches them as it is, at any width, in any locale, piped or not."""

import ast
import io
import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len

import veilmart
from tests.support.real_market import succeed
from tests.support.real_program import program
from tests.support.screen import on_a_terminal
from veilmart.storage.files.names import shown_path
from veilmart.terminal.console import Console, Terminal
from veilmart.terminal.rich_console import rich_console
from veilmart.terminal.tables import table_lines

NAME = "The :key: [bold]shop[/bold] :smile:"
SOURCES = Path(veilmart.__file__).parent
FINGERPRINT = re.compile(r"(?:[a-z2-7]{4}-){12}[a-z2-7]{4}")
LOCALES = [
    {"LC_ALL": "C.UTF-8"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    succeed(folder, "broker", "init", "--name", NAME)
    return folder


@pytest.mark.parametrize("columns", ["20", "400"])
@pytest.mark.parametrize("locale", LOCALES, ids=["utf-8", "ascii", "latin-1"])
def test_fingerprint_and_link_are_on_one_line_of_their_own(
    home: Path, columns: str, locale: dict[str, str]
) -> None:
    env = {"COLUMNS": columns, **locale}
    lines = program("broker", "descriptor", home=home, env=env).stdout.decode().splitlines()
    assert len(lines) == 3
    shown = lines[0].removeprefix("Fingerprint: ")
    assert FINGERPRINT.fullmatch(shown)
    assert lines[2] == f"Link: veilmart://127.0.0.1:8000/{shown}"


def test_a_name_with_colons_and_brackets_is_not_interpreted(home: Path) -> None:
    path = home / "a :key: [b]backup[/b] — ü"
    done = program("broker", "backup", str(path), home=home, env={"COLUMNS": "20"})
    assert f"Backup written to {path} (" in done.stdout.decode()
    done = program("broker", "init", "--name", NAME, home=home / "other", env={"COLUMNS": "20"})
    assert f"Broker {NAME} is set up." in done.stdout.decode()


def test_a_terminal_gets_the_same_lines_as_a_pipe(home: Path) -> None:
    piped = succeed(home, "broker", "accounts").splitlines()
    code, said = on_a_terminal("broker", "accounts", home=home, types="", after="", columns=20)
    assert code == 0
    assert [line.rstrip("\r") for line in said.splitlines() if line.strip()] == piped


def test_what_a_locale_cannot_show_is_escaped_and_nothing_fails(home: Path) -> None:
    other = home / "japanese"
    words = ("broker", "init", "--name", "日本 ü")
    done = program(*words, home=other, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and b"is set up" in done.stdout
    told = program("broker", "init", "--json", home=other, env=LOCALES[2])
    assert json.loads(told.stdout)["error"]["code"] == 1102


def test_cells_of_a_table_are_whole_and_only_named_columns_give_way() -> None:
    heads = ("title", "fingerprint", "path")
    long = ("ein langer Titel " * 5, "abcd-" * 13 + "abcd", "/home/anna/" + "x" * 90)
    for width in (None, 1, 40, 80, 120):
        lines = table_lines(heads, [long, ("日本語の本", "f", "/p")], ("title",), width)
        assert long[1] in lines[1] and long[2] in lines[1]
        assert len(lines) == 3
    whole = table_lines(heads, [long], ("title",), None)
    assert long[0].strip() in whole[1]
    fitted = table_lines(("title", "id"), [("日本語" * 20, "0123")], ("title",), 40)
    assert all(cell_len(line) <= 40 for line in fitted) and fitted[1].endswith("0123")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/home/anna/Filme/a :key: b.pdf", "/home/anna/Filme/a :key: b.pdf"),
        ("/home/ü/日本.pdf", "/home/ü/日本.pdf"),
        ("/tmp/caf\udce9.txt", r"$'/tmp/caf\xe9.txt'"),
        ("/tmp/it's\x1b[2J", r"$'/tmp/it\'s\x1b[2J'"),
        ("/tmp/a\u202eb\\", r"$'/tmp/a\xe2\x80\xaeb\\'"),
    ],
)
def test_a_path_is_shown_as_a_shell_takes_it(path: str, shown: str) -> None:
    assert shown_path(Path(path)) == shown


def test_only_one_place_makes_consoles() -> None:
    """So that no other has rich's own settings, which turn `:key:` into a picture."""
    makers = set()
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Console":
                makers.add(file.relative_to(SOURCES).as_posix())
    assert makers == {"terminal/console.py", "terminal/rich_console.py"}
    plain, drawn = io.StringIO(), io.StringIO()
    Console(plain).print(NAME * 10)
    rich_console(Terminal(console=Console(drawn))).print(NAME * 10)
    assert plain.getvalue() == drawn.getvalue() == NAME * 10 + "\n"


def test_what_moves_the_cursor_is_left_out() -> None:
    out = io.StringIO()
    Console(out).print("a\rb\bc\a")
    assert out.getvalue() == "abc\n"
