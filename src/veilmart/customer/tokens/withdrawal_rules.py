"""Withdrawing tokens, asking again for lost answers, depositing (docs/protocol/11-tokens.md, 11.4).

Counters and request are committed before anything is sent; the same request has the same answer for
the life of the key, so whatever was cut off is simply asked for again.
"""

from dataclasses import replace

from veilmart.customer.effects import AskBroker
from veilmart.customer.wallet.seed_state import REPLACED, set_state, usable
from veilmart.customer.wallet.tokens import (
    ASKED,
    INVALID,
    REFUSED,
    RETURNED,
    RETURNING,
    UNSPENT,
    KnownKey,
    StoredToken,
    Withdrawal,
    begin_withdrawal,
    end_withdrawal,
    finish_withdrawal,
    finished,
    move_token,
)
from veilmart.errors import (
    InsufficientBalance,
    MalformedMessage,
    NoTokens,
    OperationConflict,
    TokenInvalid,
    TokenKeyEnded,
    TokenKeyUnknown,
    WalletReplaced,
)
from veilmart.limits import TOKENS_PER_REQUEST_MAX
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.ports import Clock
from veilmart.protocol.token import TokenSecrets, blind_token, finish_token
from veilmart.protocol.token_messages import (
    SIGNATURE_BYTES,
    Deposit,
    Deposited,
    Issue,
    Issued,
)
from veilmart.protocol.wallet_derivations import account_seed, issue_request_id, token_secrets

_CERTAINLY_NOT_ISSUED = (InsufficientBalance, TokenKeyEnded, TokenKeyUnknown, OperationConflict)


def withdraw(
    seed: bytes, account: str, key: KnownKey, count: int, clock: Clock
) -> Rule[tuple[int, int]]:
    """(tokens that came, balance after). seed: the wallet's.

    Raises NoSeed, WalletReplaced, WalletOutdated, InsufficientBalance, TokenKeyEnded, TokenInvalid
    (money was debited; request and answer are kept).
    """
    wallet = yield from transact(usable)
    came = balance = 0
    while came < count:
        wanted = min(count - came, TOKENS_PER_REQUEST_MAX)
        secrets: list[TokenSecrets] = []

        def make(
            first: int, wanted: int = wanted, secrets: list[TokenSecrets] = secrets
        ) -> Withdrawal:
            secrets[:] = secrets_from(seed, account, key, first, wanted)
            return plan(seed, account, key, first, secrets, clock())

        place = (key.broker, account, key.listed.key, make)
        withdrawal = yield from transact(begin_withdrawal, *place)
        balance = yield from ask(secrets, wallet.wallet, withdrawal, key, clock)
        came += wanted
    return came, balance


def secrets_from(
    seed: bytes, account: str, key: KnownKey, first: int, count: int
) -> list[TokenSecrets]:
    """What the tokens first ... first + count - 1 are made from. seed: the wallet's."""
    of_account = account_seed(seed, account)
    return [token_secrets(of_account, key.public, first + place) for place in range(count)]


def plan(
    seed: bytes, account: str, key: KnownKey, first: int, secrets: list[TokenSecrets], now: int
) -> Withdrawal:
    """The withdrawal of the tokens that `secrets_from` gave for counters from `first` on."""
    public, count = key.public, len(secrets)
    return Withdrawal(
        request=issue_request_id(seed, account, public.key_id, first, count),
        broker=key.broker,
        account=account,
        key=public.key_id,
        first=first,
        count=count,
        blinded=b"".join(blind_token(public, each) for each in secrets),
        state=ASKED,
        made_at=now,
    )


def ask(
    secrets: list[TokenSecrets], wallet: bytes, withdrawal: Withdrawal, key: KnownKey, clock: Clock
) -> Rule[int]:
    """Ask for a stored withdrawal, verify and keep its tokens; the balance after it.

    secrets: of its tokens, by `secrets_from`.
    """
    request = Issue(
        request=withdrawal.request,
        wallet=wallet,
        key=withdrawal.key,
        first=withdrawal.first,
        blinded=withdrawal.blinded,
    )
    try:
        issued = yield from AskBroker(request, Issued)
    except WalletReplaced:
        yield from transact(end_withdrawal, withdrawal.request, REFUSED, None)
        yield from transact(set_state, REPLACED)
        raise
    except _CERTAINLY_NOT_ISSUED:
        yield from transact(end_withdrawal, withdrawal.request, REFUSED, None)
        raise
    if len(issued.signatures) != withdrawal.count * SIGNATURE_BYTES:
        raise MalformedMessage("The broker signed another number of tokens.")
    try:
        for place, secret in enumerate(secrets):
            start = place * SIGNATURE_BYTES
            finish_token(key.public, secret, issued.signatures[start : start + SIGNATURE_BYTES])
    except TokenInvalid:
        yield from transact(end_withdrawal, withdrawal.request, INVALID, issued.signatures)
        raise
    yield from transact(finish_withdrawal, withdrawal, issued.signatures, clock())
    return issued.balance


def deposit(seed: bytes, token: StoredToken, key: KnownKey) -> Rule[Deposited]:
    """Put an unspent token's value back on the account.

    Raises NoTokens once it was shown, TokenSpent, TokenKeyEnded.
    """
    if token.state == UNSPENT:
        moved = yield from transact(move_token, token.id, UNSPENT, RETURNING)
        if not moved:
            raise NoTokens("Another program has just used it.")
        token = replace(token, state=RETURNING)
    if token.state != RETURNING:
        raise NoTokens("It was used for an order.")
    answer = yield from AskBroker(Deposit(token=finished(seed, token, key)), Deposited)
    yield from transact(move_token, token.id, RETURNING, RETURNED)
    return answer
