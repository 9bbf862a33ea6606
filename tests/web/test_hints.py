"""What a page says after an error speaks of pages, not of commands."""

from collections.abc import Iterator

import pytest

from veilmart import errors
from veilmart.broker.web.hints import HINTS as BROKER
from veilmart.customer.web.hints import HINTS as CUSTOMER
from veilmart.errors import VeilmartError
from veilmart.merchant.web.hints import HINTS as MERCHANT
from veilmart.web.rendering import Pages

FACES = {"customer": CUSTOMER, "merchant": MERCHANT, "broker": BROKER}
# There is no page for these: proofs are read and servers are repaired where the files are.
ONLY_COMMANDS = {
    errors.ProofInvalid,
    errors.JudgementInvalid,
    errors.JudgedWrongly,
    errors.NotYourBroker,
    errors.ReferenceNeeded,
    errors.UnknownSinceBackup,
    errors.NoSuchFinding,
}


def every_error(root: type[VeilmartError] = VeilmartError) -> Iterator[type[VeilmartError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from every_error(kind)


@pytest.mark.parametrize("role", list(FACES))
def test_an_error_that_names_a_command_says_on_a_page_where_to_click(role: str) -> None:
    named = {kind for kind in every_error() if f"`veilmart {role} " in kind.hint} - ONLY_COMMANDS
    assert len(named) > 1
    assert named <= set(FACES[role])


@pytest.mark.parametrize("role", list(FACES))
def test_a_page_says_the_faces_own_hint_and_an_occurrence_its_own(role: str) -> None:
    pages = Pages("veilmart", "veilmart.web", (), FACES[role])

    def shown(error: VeilmartError) -> str:
        return pages.part("error.html", here="/", error=error)

    for kind, text in FACES[role].items():
        error = kind.__new__(kind)  # some want to be told which segment or file it is
        VeilmartError.__init__(error)
        error.hint = "Run `veilmart somebody do` --now."
        assert text in shown(error).replace("&#39;", "'")
    one = errors.BadArgument("x")
    one.hint = "This one time, wait."
    assert "This one time, wait." in shown(one) and "Change it" not in shown(one)
    assert "--help" not in shown(errors.BadArgument("x"))
