"""docs/privacy.md names checks that exist, and covers what the README promises."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/privacy.md").read_text()
THREATS = (ROOT / "docs/threat-model.md").read_text()
RULE = (
    "Everything a wallet sends in one identity is a function of public data, of that identity's "
    "own past, and of fresh randomness; never of another identity of the same person."
)


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    lines = PAGE.partition(heading)[2].splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[begin:]:
        if not line.startswith("|"):
            break
        table.append([cell.strip() for cell in line.strip("|").split("|")])
    return table[2:]


CLAIMS = rows("# Privacy")
PROMISES = rows("## What the README promises")
CASES = rows("## Cases and the tests")


@cache
def sources_of_tests() -> dict[str, str]:
    """Every file of tests with its text."""
    return {
        str(path.relative_to(ROOT)): path.read_text()
        for path in sorted((ROOT / "tests").rglob("*.py"))
    }


@cache
def defined() -> frozenset[str]:
    """Every test's name."""
    return frozenset(
        name for text in sources_of_tests().values() for name in re.findall(r"def (test_\w+)", text)
    )


def exists(name: str) -> bool:
    """A path, a file's name, a test (`test_case_1_...` is the beginning of one), a model."""
    if "/" in name:
        return (ROOT / name).exists()
    if name.endswith(".py"):
        return any(path.endswith(f"/{name}") for path in sources_of_tests())
    if name.endswith(".pv"):
        return (ROOT / "formal/models" / name).exists()
    if name.endswith("..."):
        return any(test.startswith(name.removesuffix("...")) for test in defined())
    return name in defined()


def named_in(text: str) -> list[str]:
    quoted = re.findall(r"`([^`]+)`", text)
    return [name for name in quoted if re.match(r"(tests/|formal/|test_)", name) or ".pv" in name]


def test_every_check_that_the_page_names_exists() -> None:
    for page in (PAGE, THREATS):
        named = named_in(page)
        assert len(named) > 30
        assert [name for name in named if not exists(name)] == []


def test_every_query_that_the_page_names_is_in_its_model() -> None:
    models = "".join(path.read_text() for path in (ROOT / "formal/models").iterdir())
    for claim in CLAIMS:
        for query in re.findall(r"\(`(\w+)`\)", claim[3]):
            assert query in models, query


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim[0][:50])
def test_every_claim_has_an_attacker_and_a_check(claim: list[str]) -> None:
    assert len(claim) == 5
    what, _attacker, _assumption, checked, _left = claim
    assert what
    assert named_in(checked) or "[threat model](threat-model.md)" in checked


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0][:50])
def test_every_case_has_a_test_and_says_how_it_fails(case: list[str]) -> None:
    what, test, how = case
    assert what and how
    assert named_in(test) or "above" in test


def test_the_rule_stands_at_the_head_of_the_three_pages() -> None:
    for page in ("privacy.md", "threat-model.md", "protocol/11-tokens.md"):
        head = " ".join((ROOT / "docs" / page).read_text()[:900].replace(">", " ").split())
        assert "Everything a wallet sends in one identity is a function of public data" in head, (
            page
        )
        assert RULE in head, page


def plain(text: str) -> str:
    return " ".join(re.sub(r"[*`_]", "", text).split())


def test_every_promise_is_the_readmes_and_has_its_row() -> None:
    readme = plain((ROOT / "README.md").read_text())
    beginnings = [plain(claim[0]) for claim in CLAIMS]
    for promise, row in PROMISES:
        parts = re.findall(r'"([^"]+)"', promise)
        assert parts, promise
        for part in parts:
            assert plain(part) in readme, part
        for named in re.findall(r'"([^"]+?)(?: \.\.\.)?"', row):
            assert any(start.startswith(plain(named)) for start in beginnings), named
