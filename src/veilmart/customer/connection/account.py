"""The customer's account at the broker: open it, log in, change its password, add a voucher."""

from veilmart.characters import is_plain
from veilmart.customer.connection.session import BrokerSession
from veilmart.customer.events import Observer, StepReached
from veilmart.customer.trust.pins import StoredLogin, save_login, stored_login
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    AuthenticationFailed,
    BadArgument,
    MalformedMessage,
    NotLoggedIn,
    WeakPassword,
)
from veilmart.limits import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES, USERNAME_MAX_BYTES
from veilmart.protocol.code import parse_code
from veilmart.protocol.customer_messages import (
    Account,
    ChangePassword,
    GetAccount,
    Login,
    Redeem,
    Redeemed,
    Register,
    RegisterInvited,
    Welcome,
)
from veilmart.protocol.typed_text import is_opaque


class AccountCalls:
    """What a customer does with an account, over one session with the broker."""

    def __init__(self, wallet: Wallet, session: BrokerSession, observe: Observer) -> None:
        self._wallet = wallet
        self._session = session
        self._observe = observe

    async def register(self, username: str, password: str) -> Welcome:
        """Open an account and log in. Raises NameTaken, WeakPassword, BadArgument."""
        check_username(username)
        check_password(password)
        return await self._enter(Register(username=username, password=password))

    async def register_invited(self, username: str, password: str, invitation: str) -> Welcome:
        """`register` with an invitation. Raises CodeMistyped before anything is sent."""
        code = parse_code(invitation)
        check_username(username)
        check_password(password)
        request = RegisterInvited(username=username, password=password, invitation=code)
        return await self._enter(request)

    async def login(self, username: str, password: str) -> Welcome:
        """Log in and store the device key. Raises AuthenticationFailed, TooManyAttempts."""
        check_username(username)
        if len(password.encode()) > PASSWORD_MAX_BYTES:
            raise AuthenticationFailed
        broker = self._session.descriptor.fingerprint
        known = await self._wallet.database.run(stored_login, broker)
        device = known.device if known is not None and known.username == username else b""
        return await self._enter(Login(username=username, password=password, device=device))

    async def change_password(self, old: str, new: str) -> None:
        """Log all other devices out. Raises AuthenticationFailed, NotLoggedIn, WeakPassword."""
        login = self._session.login
        if login is None:
            raise NotLoggedIn
        check_password(new)
        if len(old.encode()) > PASSWORD_MAX_BYTES:
            raise AuthenticationFailed
        welcome: Welcome = await self._session.ask(ChangePassword(old=old, new=new), Welcome)
        if len(welcome.device) != 32:
            raise MalformedMessage("A login came without a device key.")
        self._session.login = StoredLogin(login.username, welcome.device)
        broker = self._session.descriptor.fingerprint
        await self._wallet.database.run(save_login, broker, self._session.login)

    async def read(self) -> Account:
        """Username and balance (minor units). Raises NotLoggedIn."""
        if self._session.login is None:
            raise NotLoggedIn
        account: Account = await self._session.ask(GetAccount(), Account)
        self._session.balance = account.balance
        return account

    async def redeem(self, voucher: str) -> Redeemed:
        """Add a voucher's amount to the account. The same account may repeat the request.

        Raises NotLoggedIn, CodeMistyped (before anything is sent), VoucherUnknown, VoucherSpent,
        TooManyAttempts.
        """
        code = parse_code(voucher)
        if self._session.login is None:
            raise NotLoggedIn
        redeemed: Redeemed = await self._session.ask(Redeem(code=code), Redeemed)
        self._session.balance = redeemed.balance
        return redeemed

    async def _enter(self, request: Login | Register | RegisterInvited) -> Welcome:
        self._observe(StepReached("login"))
        return await self._session.enter(request)


def check_username(username: str) -> None:
    """Raises BadArgument unless it has 1 to 64 bytes, all printable."""
    if not is_plain(username) or not 1 <= len(username.encode()) <= USERNAME_MAX_BYTES:
        raise BadArgument(f"A username has 1 to {USERNAME_MAX_BYTES} bytes of printable text.")


def check_password(password: str) -> None:
    """Raises WeakPassword unless it has 8 to 128 bytes of characters that can be typed again."""
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        raise WeakPassword
    if not is_opaque(password):
        raise WeakPassword("It has a character that cannot be seen.")
