"""The customer's account at the broker: open it, log in, change its password, add a voucher."""

from veilmart.customer.connection.credentials import check_password, check_possible, check_username
from veilmart.customer.connection.session import BrokerSession
from veilmart.customer.events import Observer, StepReached
from veilmart.customer.trust.pins import StoredLogin, save_login, stored_login
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import MalformedMessage, NotLoggedIn
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


class AccountCalls:
    """What a customer does with an account, over one session with the broker."""

    def __init__(self, wallet: Wallet, session: BrokerSession, observe: Observer) -> None:
        self._wallet = wallet
        self._session = session
        self._observe = observe

    async def register(
        self, username: str, password: str, invitation: str | None = None
    ) -> Welcome:
        """Open an account and log in.

        Raises NameTaken, WeakPassword, BadArgument, InvitationInvalid; CodeMistyped before anything
        is sent.
        """
        check_username(username)
        check_password(password)
        if invitation is None:
            return await self._enter(Register(username=username, password=password))
        code = parse_code(invitation)
        request = RegisterInvited(username=username, password=password, invitation=code)
        return await self._enter(request)

    async def login(self, username: str, password: str) -> Welcome:
        """Log in and store the device key. Raises AuthenticationFailed, TooManyAttempts."""
        check_username(username)
        check_possible(password)
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
        check_possible(old)
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
