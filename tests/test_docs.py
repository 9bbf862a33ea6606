"""The documentation says what the code says: generated pages, links, labels, messages, commands."""

import importlib.util
import io
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from veilmart import limits
from veilmart.cli import build_app
from veilmart.crypto.suite import all_suites
from veilmart.protocol import (
    catalogue,
    customer_messages,
    descriptor,
    dispute_messages,
    labels,
    link_messages,
    merchant_messages,
    offer,
    showcase,
    statement,
    token_messages,
)
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.encoding import Message
from veilmart.protocol.tunnel import Refused

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PROTOCOL = DOCS / "protocol"
PAGES = {page.name[:2]: page.read_text() for page in PROTOCOL.glob("[0-9][0-9]-*.md")}
PROTOCOL_TEXT = "\n".join(PAGES.values())

DEFINED_ON: dict[ModuleType, str] = {
    descriptor: "03",
    customer_messages: "05",
    statement: "05",
    link_messages: "06",
    merchant_messages: "07",
    catalogue: "08",
    showcase: "08",
    offer: "09",
    token_messages: "11",
    dispute_messages: "12",
}


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load_generator()


def test_the_generated_pages_are_current(generator: ModuleType) -> None:
    assert generator.outdated() == [], "run python docs/generate.py"


def test_check_notices_a_page_that_is_out_of_date(
    generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generator, "DOCS", tmp_path)
    (tmp_path / "protocol").mkdir()
    assert generator.main(["--check"]) == 1
    assert generator.main([]) == 0
    assert generator.main(["--check"]) == 0
    page = tmp_path / "states.md"
    page.write_text(page.read_text() + "\n")
    assert generator.outdated() == ["states.md"]
    assert generator.main(["--check"]) == 1
    assert generator.main(["--chekc"]) == 2


def test_every_limit_is_on_page_10() -> None:
    names = [name for name in vars(limits) if name.isupper()]
    assert len(names) > 40
    for name in names:
        assert f"| `{name}` |" in PAGES["10"], name


# ---- links -----------------------------------------------------------------------------------

MARKDOWN = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Heading anchors as the usual viewers make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(_CODE.sub("", page.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), f"{target} in {page.name}"
        assert ROOT in found.parents, f"{target} in {page.name} leads out of the project"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{target} in {page.name}"


def test_files_named_in_the_protocol_exist() -> None:
    named = set(re.findall(r"`((?:src|tests|vectors|docs)/[\w/.]+)`", PROTOCOL_TEXT))
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_protocols_table_of_contents_is_complete() -> None:
    contents = (PROTOCOL / "README.md").read_text()
    for page in PROTOCOL.glob("[0-9][0-9]-*.md"):
        assert f"({page.name})" in contents


# ---- labels and suites -----------------------------------------------------------------------

LABELS = {name: value for name, value in vars(labels).items() if name.isupper()}


@pytest.mark.parametrize("name", LABELS)
def test_every_label_is_named_in_the_protocol(name: str) -> None:
    label = LABELS[name]
    quoted = (f"`{label}`", f'"{label}"')
    flat = " ".join(PROTOCOL_TEXT.split())
    assert any(form in flat for form in quoted), label


def test_every_label_in_the_protocol_is_known() -> None:
    known = set(LABELS.values())
    flat = " ".join(PROTOCOL_TEXT.split())
    named = set(re.findall(r'[`"](veilmart 2026 [^`"]*?) ?[`"]', flat))
    ciphers = {label for label in named if re.match(r"veilmart 2026 (KHAE|MIX)", label)}
    assert named - ciphers <= known


def test_no_two_uses_share_a_label() -> None:
    assert len(set(LABELS.values())) == len(LABELS)
    assert not any("\0" in label for label in LABELS.values())


def test_the_suites_are_named() -> None:
    for suite in all_suites():
        assert f"`{suite.name}`" in PAGES["02"]
        for base in ("NK", "NN"):
            pattern = suite.pattern(base)
            assert pattern in PAGES["02"]
        assert f"`{suite.noise_protocol.name(suite.pattern('NK'))}`" in PAGES["02"]


# ---- messages --------------------------------------------------------------------------------


def messages() -> list[Any]:
    found = []
    for module, page in DEFINED_ON.items():
        for kind in vars(module).values():
            if (
                isinstance(kind, type)
                and issubclass(kind, Message)
                and kind.__module__ == module.__name__
                and not kind.__subclasses__()
            ):
                found.append(pytest.param(kind, page, id=f"{page}-{kind.__name__}"))
    return [*found, pytest.param(Refused, "04", id="04-Refused")]


@pytest.mark.parametrize(("kind", "page"), messages())
def test_every_kind_and_field_is_named_on_its_page(kind: Any, page: str) -> None:
    named = set(re.findall(r"`([a-z_0-9]+)`", PAGES[page]))
    # Quoted where page 4 gives a value: {`kind`: `"refused"`}.
    named |= set(re.findall(r'`"([a-z]+)"`', PAGES[page]))
    tag = kind.__struct_config__.tag
    wanted = set(kind.__struct_fields__) | ({tag} if tag else set())
    assert wanted <= named, f"not on page {page}: {wanted - named}"


OTHER_PAGES = {token_messages.__name__: "11", dispute_messages.__name__: "12"}
REQUESTS = [
    *((kind, OTHER_PAGES.get(kind.__module__, "05")) for kind in BrokerRequest.__subclasses__()),
    *((kind, "06") for kind in link_messages.MerchantRequest.__subclasses__()),
    *((kind, "07") for kind in merchant_messages.TunnelRequest.__subclasses__()),
]


@pytest.mark.parametrize(("kind", "page"), REQUESTS, ids=str)
def test_the_pages_give_each_request_its_cells_and_fields(kind: Any, page: str) -> None:
    tag = kind.__struct_config__.tag
    rows = [line for line in PAGES[page].splitlines() if line.startswith(f"| `{tag}` {{")]
    assert len(rows) == 1
    request, cells = rows[0].split(" | ")[0:2]
    assert set(kind.__struct_fields__) <= set(re.findall(r"`([a-z_]+)`", request))
    own, answer = cells.split(" / ")
    assert int(own) == kind.cells
    if answer.isdigit():
        assert int(answer) == kind.answer_cells
    else:
        assert answer.startswith(("natural", "enough"))


# ---- commands --------------------------------------------------------------------------------


def test_every_command_is_documented(generator: ModuleType) -> None:
    page = (DOCS / "commands.md").read_text()
    tree = list(generator.command_tree(build_app()))
    assert {path[1] for path, _ in tree} == {"broker", "merchant", "customer", "demo"}
    assert len(tree) > 30
    for path, command in tree:
        assert f"### {' '.join(path)}\n" in page
        assert command.help.strip(), path
        options = command.assemble_argument_collection(parse_docstring=True)
        if path[1] != "demo":
            names = {name for option in options for name in option.names}
            assert names >= generator.COMMON_OPTIONS, path
        if path[1] in ("broker", "merchant"):
            assert names >= generator.SERVER_OPTIONS, path


def test_every_option_in_the_list_of_commands_is_one(generator: ModuleType) -> None:
    """No empty cell, and no form of an option that the program would refuse."""
    page = generator.commands()
    assert not re.search(r"^\|\s*\|", page, re.MULTILINE)
    known = {" ".join(path): command for path, command in generator.command_tree(build_app())}
    for section in page.split("\n### ")[1:]:
        words = section.split("\n", 1)[0]
        helped = io.StringIO()
        console = Console(file=helped, width=300, color_system=None)
        known[words].help_print([], console=console)
        for row in re.findall(r"^\| (`--.+?) \|", section, re.MULTILINE):
            for option in re.findall(r"`(--[a-z-]+)`", row):
                assert re.search(rf"{option}(?![a-z-])", helped.getvalue()), (words, option)


def test_commands_named_in_the_documentation_exist(generator: ModuleType) -> None:
    """`veilmart customer sync` in a page or an error's hint is something one can type."""
    known = {path for path, _ in generator.command_tree(build_app())}
    for page in MARKDOWN:
        for text in re.findall(r"`veilmart ((?:broker|merchant|customer)[^`]*)`", page.read_text()):
            words = ["veilmart"]
            for word in text.split():
                if not re.fullmatch(r"[a-z][a-z-]*", word):
                    break
                words.append(word)
            named = [tuple(words[:length]) for length in (2, 3, 4) if length <= len(words)]
            assert any(path in known for path in named), f"veilmart {text} in {page.name}"


# ---- findings of the audit -------------------------------------------------------------------


def test_every_finding_of_the_audit_is_described() -> None:
    source = "".join(
        file.read_text() for file in sorted((ROOT / "src/veilmart/broker/audit").glob("*.py"))
    )
    names = set(re.findall(r'(?:Finding|find)\(\s*"([a-z-]+)"', source))
    described = set(re.findall(r"`([a-z][a-z-]+)`", (DOCS / "audit.md").read_text()))
    assert len(names) > 60
    assert names <= described
    assert {name for name in described if "-" in name} <= names


# ---- the architecture ------------------------------------------------------------------------


def test_every_place_in_the_architecture_exists() -> None:
    """A path is followed by names that its file defines: `customer/cli/shop.py` `buy`."""
    source = ROOT / "src" / "veilmart"
    text = " ".join((DOCS / "architecture.md").read_text().split())
    places = re.findall(r"`([a-z_]+(?:/[a-z_]+)*(?:\.py|/))`(?:(?: or)? `(\w+)`)?", text)
    assert len(places) > 60
    for path, name in places:
        place = source / path if not path.startswith(("docs/", "vectors/")) else ROOT / path
        assert place.exists(), path
        if name and path.endswith(".py"):
            defined = rf"^(?:async )?(?:def|class) {name}\b"
            assert re.search(defined, place.read_text(), re.MULTILINE), f"{path} has no {name}"


def test_each_of_the_four_ways_has_at_most_a_dozen_places() -> None:
    sections = (DOCS / "architecture.md").read_text().split("\n## ")
    steps = [len(re.findall(r"^\d+\. ", section, re.MULTILINE)) for section in sections]
    ways = [count for count in steps if count]
    assert len(ways) == 4
    assert max(ways) <= 12
