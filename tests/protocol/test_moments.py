"""Times that a peer wrote are shown, whatever number they are."""

import pytest

from veilmart.limits import INTEGER_MAX
from veilmart.protocol.moments import format_moment
from veilmart.web.rendering import format_moment as on_page


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        (0, "1970-01-01 00:00:00 UTC"),
        (1_795_844_414, "2026-11-28 05:40:14 UTC"),
        (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        (253_402_300_800, "9999-12-31 23:59:59 UTC"),
        (INTEGER_MAX, "9999-12-31 23:59:59 UTC"),
    ],
)
def test_a_moment_of_a_document(at: int, shown: str) -> None:
    assert format_moment(at) == shown
    assert shown[:16] in on_page(at)
