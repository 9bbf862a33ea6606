"""The person in front of the terminal: what they are asked, and what --yes answers for them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from veilmart.characters import without_invisible
from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.connection.credentials import PASSWORD_RULE, check_password
from veilmart.customer.trust.descriptors import Role
from veilmart.errors import (
    AuthenticationFailed,
    InvitationInvalid,
    NameTaken,
    NotLoggedIn,
    TooManyAttempts,
    WeakPassword,
)
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
        """The username, given or asked for, in one form and without invisible characters."""
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
        return self.confirm("Is that the fingerprint that its operator gave you? (y/n) ")

    def types(self, file: Path | None) -> bool:
        """Whether a wrong secret can be typed again."""
        return file is None and self.terminal.interactive and not self.terminal.json

    def new_password(self, file: Path | None, what: str = "Password: ") -> str:
        """Asked for twice on a terminal, after its rule, until it fits and both are the same.

        Raises WeakPassword where nobody can type another one.
        """
        if not self.types(file):
            return check_password(self.secret(what, file))
        self.terminal.say(PASSWORD_RULE)
        while True:
            try:
                password = check_password(self.secret(what))
            except WeakPassword as error:
                self.terminal.say(error.detail or PASSWORD_RULE)
                continue
            if self.secret("Repeat it: ") == password:
                return password
            self.terminal.say("The two passwords differ. Type it again.")


async def ensure_login(
    shopper: "Shopper", person: Person, password_file: Path | None, invitation: str | None = None
) -> None:
    """Use the stored login, or ask: register or log in? Raises NotLoggedIn when nobody answers.

    --yes never registers silently.
    """
    if shopper.logged_in:
        await shopper.session.take_session()
    if shopper.logged_in:
        return
    if person.yes:
        raise NotLoggedIn
    await register_or_log_in(shopper, person, password_file, invitation)


async def register_or_log_in(
    shopper: "Shopper", person: Person, password_file: Path | None, invitation: str | None
) -> None:
    """Register or log in, on a machine without a stored login."""
    while True:
        answer = person.ask("Register or log in? (r/l) ").strip().lower()
        if answer in ("r", "register"):
            await register_person(shopper, person, None, password_file, invitation)
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
    """Returns the username. Raises CodeMistyped before anything is asked.

    On a terminal another name is asked for where one is taken, and an invitation where it takes
    one.
    """
    if invitation is not None:
        parse_code(invitation)
    username = person.username(username)
    password = person.new_password(password_file)
    while True:
        try:
            welcome = await shopper.account.register(username, password, invitation)
        except (NameTaken, InvitationInvalid) as error:
            if not person.types(password_file):
                raise
            person.terminal.say(error.summary)
            if isinstance(error, NameTaken):
                username = person.username(None)
            else:
                invitation = person.ask("Invitation: ")
            continue
        person.terminal.say("Registration successful.")
        return welcome.username


async def login_person(
    shopper: "Shopper", person: Person, username: str | None, password_file: Path | None
) -> str:
    """Returns the username. On a terminal a wrong password is asked for again, until Ctrl-C.

    Raises AuthenticationFailed, TooManyAttempts where nobody can type another one.
    """
    username = person.username(username)
    while True:
        password = person.secret("Password: ", password_file)
        try:
            welcome = await shopper.account.login(username, password)
        except (AuthenticationFailed, TooManyAttempts) as error:
            if not person.types(password_file):
                raise
            person.terminal.say(f"{error.summary} {error.hint}")
            username = person.ask(f"Username ({visible(username)}): ").strip() or username
            continue
        person.terminal.say("Login successful.")
        return welcome.username
