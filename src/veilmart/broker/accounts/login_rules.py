"""The identity of a session: start, register, login, resume, change the password.

docs/protocol/05-customer-broker.md, section 2. A wrong name and a wrong password get the same
refusal after the same time, and end the session.
"""

from typing import NoReturn
from unicodedata import ucd_3_2_0

from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.accounts import administration, customers, guess_limit, invitations
from veilmart.broker.accounts.customers import DEVICE_BYTES, Customer
from veilmart.broker.effects import Answer, HashPassword, VerifyPassword
from veilmart.broker.events import CustomerAuthenticated, CustomerRefused
from veilmart.broker.ledger import booking
from veilmart.broker.sessions.session import Login as LoggedIn, Session, require_login
from veilmart.broker.state import BrokerState
from veilmart.characters import is_plain
from veilmart.errors import (
    AccountDisabled,
    AuthenticationFailed,
    CodeMistyped,
    InvitationInvalid,
    MalformedMessage,
    NameTaken,
    RegistrationClosed,
)
from veilmart.limits import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES, USERNAME_MAX_BYTES
from veilmart.protocol.code import code_hash, parse_code
from veilmart.protocol.customer_messages import (
    Account,
    ChangePassword,
    GetAccount,
    Login,
    Register,
    RegisterInvited,
    Resume,
    Start,
    Welcome,
)
from veilmart.protocol.effects import Rule, transact


def start(state: BrokerState, session: Session, request: Start) -> Rule[Answer]:
    """An anonymous session gets its first request number."""
    if session.login is not None:
        raise MalformedMessage("The session is logged in.")
    yield from ()
    return _welcome(state, session, 0)


def register(state: BrokerState, session: Session, request: Register) -> Rule[Answer]:
    """Open an account.

    A repeated request in the same session gets the same answer. Raises NameTaken,
    RegistrationClosed, InvitationInvalid.
    """
    if session.login is None:
        if state.settings.registration == settings.INVITATION:
            raise InvitationInvalid
        _check_registration(state)
    return (yield from _register(state, session, request.username, request.password, None))


def register_invited(
    state: BrokerState, session: Session, request: RegisterInvited
) -> Rule[Answer]:
    """Open an account with an invitation, which is not used up where registration is open."""
    invitation: bytes | None = None
    if session.login is None:
        _check_registration(state)
        if state.settings.registration == settings.INVITATION:
            try:
                invitation = code_hash(parse_code(request.invitation))
            except CodeMistyped as fault:
                raise InvitationInvalid from fault
            if not (yield from transact(invitations.is_invited, invitation)):
                raise InvitationInvalid
    return (yield from _register(state, session, request.username, request.password, invitation))


def _check_registration(state: BrokerState) -> None:
    if state.settings.registration == settings.CLOSED:
        raise RegistrationClosed


def _register(
    state: BrokerState, session: Session, username: str, password: str, invitation: bytes | None
) -> Rule[Answer]:
    _check_password(password)
    if session.login is not None:
        return (yield from _again(state, session, username, password))
    if not _is_username(username):
        raise NameTaken("Use 1 to 64 bytes of printable text.")
    if (yield from transact(customers.find_customer, username)) is not None:
        raise NameTaken
    hashed = yield from HashPassword(password)
    device = state.random(DEVICE_BYTES)
    account = yield from transact(
        _add_customer, invitation, username, hashed, device, state.clock()
    )
    return _enter(state, session, account, username, device, 0)


def _add_customer(
    conn: Connection, invitation: bytes | None, username: str, hashed: str, device: bytes, now: int
) -> int:
    if invitation is not None:
        invitations.use_invitation(conn, invitation)
    return customers.add_customer(conn, username, hashed, device, now)


def login(state: BrokerState, session: Session, request: Login) -> Rule[Answer]:
    """Raises AuthenticationFailed, TooManyAttempts."""
    _check_password(request.password)
    if session.login is not None:
        return (yield from _again(state, session, request.username, request.password))
    name = guess_limit.name_mac(state.settings.guess_secret, request.username)
    found: Customer | None
    found, exempt = yield from transact(
        _begin_login, name, request.username, request.device, state.clock()
    )
    fits = yield from VerifyPassword(found.password_hash if found else None, request.password)
    if found is None or not fits:
        _refuse(state)
    _check_enabled(found)
    device = request.device if exempt else state.random(DEVICE_BYTES)
    balance = yield from transact(_finish_login, found, name, device, exempt, state.clock())
    if balance is None:
        _refuse(state)
    return _enter(state, session, found.account, found.username, device, balance)


def resume(state: BrokerState, session: Session, request: Resume) -> Rule[Answer]:
    """Log in with a device key. 32 random bytes cannot be guessed, so failures are not counted."""
    if session.login is not None and session.login.username != request.username:
        raise MalformedMessage("The session is logged in.")
    now = state.clock()
    found = yield from transact(_resume, request.username, request.device, now)
    if found is None:
        _refuse(state)
    _check_enabled(found)
    return _enter(state, session, found.account, found.username, request.device, found.balance)


def change_password(state: BrokerState, session: Session, request: ChangePassword) -> Rule[Answer]:
    """Every device key and every other session of the account ends. Raises LoginRequired."""
    who = require_login(session)
    _check_password(request.new)
    name = guess_limit.name_mac(state.settings.guess_secret, who.username)
    hashed = yield from transact(_begin_change, name, who.account, state.clock())
    if not (yield from VerifyPassword(hashed, request.old)):
        _refuse(state)
    fresh = yield from HashPassword(request.new)
    device = state.random(DEVICE_BYTES)
    balance = yield from transact(_change_password, who.account, name, fresh, device, state.clock())
    state.sessions.drop_account(who.account, keep=session)
    who.device = device
    return _welcome(state, session, balance)


def get_account(state: BrokerState, session: Session, request: GetAccount) -> Rule[Answer]:
    """Raises LoginRequired."""
    who = require_login(session)
    balance = yield from transact(booking.balance_of, who.account)
    return Answer(Account(username=who.username, balance=balance))


def _begin_login(
    conn: Connection, name: bytes, username: str, device: bytes, now: int
) -> tuple[Customer | None, bool]:
    """The account, if any, and whether the device key exempts it from the guessing delay."""
    found = customers.find_customer(conn, username)
    exempt = found is not None and customers.use_device(conn, found.account, device, now)
    if not exempt:
        guess_limit.take_guess(conn, name, now)
    return found, exempt


def _finish_login(
    conn: Connection, found: Customer, name: bytes, device: bytes, exempt: bool, now: int
) -> int | None:
    """The balance; None if the account was changed while the password was being verified."""
    changed = customers.password_hash(conn, found.account) != found.password_hash
    if changed or administration.is_disabled(conn, found.account):
        return None
    if not exempt:
        guess_limit.forgive(conn, name)
        customers.add_device(conn, found.account, device, now)
    return booking.balance_of(conn, found.account)


def _resume(conn: Connection, username: str, device: bytes, now: int) -> Customer | None:
    found = customers.find_customer(conn, username)
    if found is None or not customers.use_device(conn, found.account, device, now):
        return None
    return found


def _begin_change(conn: Connection, name: bytes, account: int, now: int) -> str:
    """The stored hash; a device key alone must not make the old password free to guess."""
    guess_limit.take_guess(conn, name, now)
    return customers.password_hash(conn, account)


def _change_password(
    conn: Connection, account: int, name: bytes, hashed: str, device: bytes, now: int
) -> int:
    guess_limit.forgive(conn, name)
    customers.set_password(conn, account, hashed, device, now)
    return booking.balance_of(conn, account)


def _again(state: BrokerState, session: Session, username: str, password: str) -> Rule[Answer]:
    """The answer was lost and the request repeated: the same account and device key."""
    who = require_login(session)
    if who.username != username:
        raise MalformedMessage("The session is logged in.")
    hashed = yield from transact(customers.password_hash, who.account)
    if not (yield from VerifyPassword(hashed, password)):
        _refuse(state)
    balance = yield from transact(booking.balance_of, who.account)
    return _welcome(state, session, balance)


def _enter(
    state: BrokerState, session: Session, account: int, username: str, device: bytes, balance: int
) -> Answer:
    state.sessions.log_in(session, LoggedIn(account, username, device))
    state.observe(CustomerAuthenticated(username))
    return _welcome(state, session, balance)


def _welcome(state: BrokerState, session: Session, balance: int) -> Answer:
    who = session.login
    return Answer(
        Welcome(
            request_number=session.numbers.hand_out(state.random),
            username="" if who is None else who.username,
            device=b"" if who is None else who.device,
            balance=balance,
        )
    )


def _refuse(state: BrokerState) -> NoReturn:
    state.observe(CustomerRefused())
    raise AuthenticationFailed


def _check_enabled(found: Customer) -> None:
    """Reveal that an account is disabled only after the right password or device key."""
    if found.disabled:
        raise AccountDisabled


def _check_password(password: str) -> None:
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        raise MalformedMessage("A password has 8 to 128 bytes.")


def _is_username(name: str) -> bool:
    return (
        len(name.encode()) <= USERNAME_MAX_BYTES
        and is_plain(name)
        and name == name.strip(" ")
        and name == ucd_3_2_0.normalize("NFC", name)
    )
