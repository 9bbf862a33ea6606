"""The person in front of the terminal: what they are asked, and what --yes answers for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veilmart.characters import without_invisible
from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.trust.descriptors import Role
from veilmart.errors import BadArgument, NotLoggedIn
from veilmart.protocol.code import parse_code
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.typed_text import one_form
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.console import Terminal

if TYPE_CHECKING:
    from veilmart.customer.connection.shopper import Shopper


@dataclass(frozen=True)
class Person:
    """yes: every question is answered with yes and nothing is asked."""

    terminal: Terminal
    yes: bool = False

    def ask(self, question: str) -> str:
        return self.terminal.ask(question)

    def confirm(self, question: str) -> bool:
        if self.yes:
            return True
        return self.terminal.confirm(question)

    def username(self, given: str | None) -> str:
        """Given or asked for; in one form, without what a paste brings along."""
        return one_form(without_invisible(given or self.ask("Username: "))).strip()

    def secret(self, question: str, file: Path | None = None) -> str:
        return self.terminal.secret(question, file)

    def approve(self, role: Role, fresh: SignedDescriptor) -> bool:
        """Show a fingerprint and ask. Without a terminal and without --yes the answer is no."""
        name = visible(fresh.descriptor.name)
        self.terminal.say(f"The {role} {name} shows the fingerprint")
        self.terminal.say(f"  {format_fingerprint(fresh.fingerprint)}")
        if not self.yes and not self.terminal.interactive:
            return False
        return self.confirm("Is that what its operator told you? (y/n) ")

    def new_password(self, file: Path | None, what: str = "Password: ") -> str:
        """Asked twice on a terminal. Raises BadArgument when the two differ."""
        password = self.secret(what, file)
        twice = file is None and self.terminal.interactive
        if twice and self.secret("Repeat it: ") != password:
            raise BadArgument("The two passwords differ.")
        return password


async def ensure_login(shopper: "Shopper", person: Person, password_file: Path | None) -> None:
    """Use the stored login, or ask: register or log in? Raises NotLoggedIn when nobody answers.

    --yes never registers silently.
    """
    if shopper.logged_in:
        await shopper.session.take_session()
    if shopper.logged_in:
        return
    if person.yes:
        raise NotLoggedIn
    while True:
        answer = person.ask("Register or log in? (r/l) ").strip().lower()
        if answer in ("r", "register"):
            await register_person(shopper, person, None, password_file)
            return
        if answer in ("l", "login", "log in"):
            await login_person(shopper, person, None, password_file)
            return
        person.terminal.say("Please answer r or l.")


async def register_person(
    shopper: "Shopper",
    person: Person,
    username: str | None,
    password_file: Path | None,
    invitation: str | None = None,
) -> str:
    """Returns the username. Raises CodeMistyped before anything is asked."""
    if invitation is not None:
        parse_code(invitation)
    username = person.username(username)
    password = person.new_password(password_file)
    if invitation is None:
        welcome = await shopper.account.register(username, password)
    else:
        welcome = await shopper.account.register_invited(username, password, invitation)
    person.terminal.say("Registration successful.")
    return welcome.username


async def login_person(
    shopper: "Shopper", person: Person, username: str | None, password_file: Path | None
) -> str:
    """Returns the username. Raises AuthenticationFailed."""
    username = person.username(username)
    welcome = await shopper.account.login(username, person.secret("Password: ", password_file))
    person.terminal.say("Login successful.")
    return welcome.username
