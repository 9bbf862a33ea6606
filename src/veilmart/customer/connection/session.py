"""The customer's session with a broker: handshake, login, a new session when one has ended.

Nothing secret is sent before the broker has answered the handshake under the tunnel key that its
checked descriptor certifies. A session is kept for up to an hour and re-made when it is unknown;
after a login the device key stands for the password.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from veilmart.crypto.suite import Suite
from veilmart.customer.events import BrokerAuthenticated, LoggedIn, Observer
from veilmart.customer.trust.pins import StoredLogin, drop_login, save_login
from veilmart.customer.wallet.account_use import note_account_use
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    AuthenticationFailed,
    DescriptorUnknown,
    MalformedMessage,
    SessionUnknown,
)
from veilmart.limits import SESSION_SECONDS
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import (
    Login,
    Register,
    RegisterInvited,
    Resume,
    Start,
    Welcome,
)
from veilmart.protocol.descriptor import SignedDescriptor, choose_suite
from veilmart.protocol.handshake import SessionKeys
from veilmart.transport.broker_channel import begin_session, exchange
from veilmart.transport.port import Client

K = TypeVar("K")

RENEW_BEFORE_SECONDS = 60

FetchDescriptor = Callable[[], Awaitable[SignedDescriptor]]


@dataclass
class LiveSession:
    """Keys of one session. request_number: for the next tunnel; taken once."""

    keys: SessionKeys = field(repr=False)
    ends_at: int
    numbers: list[bytes]


class BrokerSession:
    """Requests to one broker. Safe to use from several tasks of one event loop.

    balance: minor units as the broker named it last, None when not logged in.
    """

    def __init__(
        self,
        wallet: Wallet,
        http: Client,
        descriptor: SignedDescriptor,
        suite: Suite | None,
        login: StoredLogin | None,
        fetch: FetchDescriptor,
        observe: Observer,
    ) -> None:
        self.descriptor = descriptor
        self.http = http
        self.balance: int | None = None
        self.login = login
        self._wallet = wallet
        self._wanted_suite = suite
        self._fetch = fetch
        self._observe = observe
        self._live: LiveSession | None = None
        self._making = asyncio.Lock()

    # ---- asking ------------------------------------------------------------------------------

    async def ask(self, request: BrokerRequest, kind: type[K], *, bound: bool = False) -> K:
        """The answer, of `kind`. An ended session is re-made once, unless the request is `bound`.

        Raises the refusal that the broker named, or what went wrong on the way.
        """
        answer, rest = await self._ask(request, kind, bound)
        if rest:
            raise MalformedMessage("Something follows an answer.")
        return answer

    async def ask_attached(self, request: BrokerRequest, kind: type[K]) -> tuple[K, memoryview]:
        """As `ask`, and the bytes that follow the sealed answer, unverified; perhaps none."""
        return await self._ask(request, kind, False)

    async def take_session(self) -> None:
        """Make a session now if there is none; afterwards `login` says whether it is logged in."""
        await self._session()

    async def take_request_number(self) -> bytes:
        """16 bytes, valid for one tunnel in the current session."""
        live = await self._session()
        while not live.numbers:
            # Every number of this session is in use by another tunnel that is being opened.
            live = await self._remake(live)
        return live.numbers.pop()

    def give_request_number(self, number: bytes) -> None:
        """Keep the number that came with the answer to Open."""
        if self._live is not None:
            self._live.numbers.append(number)

    async def _ask(
        self, request: BrokerRequest, kind: type[K], bound: bool
    ) -> tuple[K, memoryview]:
        live = await self._session()
        try:
            return await self._exchange(live.keys, request, kind, bound)
        except SessionUnknown:
            self._forget(live)
            if bound:
                raise
        live = await self._session()
        return await self._exchange(live.keys, request, kind, bound)

    async def _exchange(
        self, keys: SessionKeys, request: BrokerRequest, kind: type[K], whole: bool
    ) -> tuple[K, memoryview]:
        return await exchange(self.http, keys, request, kind, self._wallet.random, whole=whole)

    # ---- making sessions -----------------------------------------------------------------------

    async def _session(self) -> LiveSession:
        live = self._live
        if live is not None and self._wallet.clock() < live.ends_at:
            return live
        return await self._remake(live)

    async def _remake(self, ended: LiveSession | None) -> LiveSession:
        async with self._making:
            if self._live is not None and self._live is not ended:
                return self._live
            if self.login is None:
                await self._begin(Start())
            else:
                await self._resume(self.login)
            if self._live is None:
                raise SessionUnknown
            return self._live

    async def _resume(self, login: StoredLogin) -> None:
        try:
            await self._begin(Resume(username=login.username, device=login.device))
        except AuthenticationFailed:
            # The device key has ended. What needs no login still works; the rest will say so.
            self.login = None
            self.balance = None
            await self._wallet.database.run(drop_login, self.descriptor.fingerprint)
            await self._begin(Start())

    async def enter(self, request: Login | Register | RegisterInvited) -> Welcome:
        """Log in or register with a password, in a new session.

        The device key is kept for the next time. Raises AuthenticationFailed, TooManyAttempts,
        NameTaken.
        """
        async with self._making:
            self._live = None
            welcome = await self._begin(request)
            self.login = StoredLogin(request.username, welcome.device)
            await self._wallet.database.run(save_login, self.descriptor.fingerprint, self.login)
            return welcome

    async def _begin(self, request: Start | Login | Register | RegisterInvited | Resume) -> Welcome:
        """A handshake, and who we are as the first request inside it."""
        keys = await self._handshake()
        welcome: Welcome
        welcome, _ = await self._exchange(keys, request, Welcome, False)
        ends_at = self._wallet.clock() + SESSION_SECONDS - RENEW_BEFORE_SECONDS
        if not isinstance(request, Start):
            if len(welcome.device) != 32:
                raise MalformedMessage("A login came without a device key.")
            self.balance = welcome.balance
            use = (self.descriptor.fingerprint, self._wallet.clock())
            await self._wallet.database.run(note_account_use, *use)
            self._observe(LoggedIn(request.username, welcome.balance))
        self._live = LiveSession(keys, ends_at, [welcome.request_number])
        return welcome

    async def _handshake(self) -> SessionKeys:
        if self._wallet.clock() >= self.descriptor.descriptor.not_after:
            self.descriptor = await self._fetch()
        try:
            return await self._shake_hands()
        except DescriptorUnknown:
            self.descriptor = await self._fetch()
            return await self._shake_hands()

    async def _shake_hands(self) -> SessionKeys:
        descriptor = self.descriptor
        suite = choose_suite(descriptor, self._wanted_suite)
        keys = await begin_session(self.http, descriptor, suite, self._wallet.random)
        self._observe(
            BrokerAuthenticated(descriptor.fingerprint, suite.group_name, keys.session_fingerprint)
        )
        return keys

    def _forget(self, ended: LiveSession) -> None:
        if self._live is ended:
            self._live = None
