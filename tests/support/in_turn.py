"""Which cases an ordinary run plays over streams, and which by POST.

A test in the market of `roles_fixtures` is run over both. Where it has several cases, each is
played over one of the two and marked `long` with the other, so that `make test-long` plays them
all. A test with one case is played over both.
"""

from collections import defaultdict

import pytest

from tests.support.roles_fixtures import TRANSPORTS

FIXTURES = ("roles", "shared")


def choose(items: list[pytest.Item]) -> None:
    """Mark what is left out; `items` are in the order in which they were collected."""
    tests: dict[str, dict[str, dict[str, pytest.Item]]] = defaultdict(lambda: defaultdict(dict))
    for item in items:
        if isinstance(item, pytest.Function) and (transport := _transport(item)):
            test, _, name = item.nodeid.partition("[")
            tests[test][name.replace(transport, "", 1)][transport] = item
    for cases in tests.values():
        if len(cases) > 1:
            for number, case in enumerate(cases.values()):
                # Thue and Morse's sequence: no parameter of the test goes with one transport.
                left_out = TRANSPORTS[number.bit_count() % 2]
                if len(case) > 1:
                    case[left_out].add_marker(pytest.mark.long)


def _transport(item: pytest.Function) -> str | None:
    callspec = getattr(item, "callspec", None)
    given = (callspec.params.get(name) for name in FIXTURES) if callspec else ()
    return next((transport for transport in given if transport in TRANSPORTS), None)
