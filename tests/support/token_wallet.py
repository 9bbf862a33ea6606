"""A wallet's side of tokens for tests of the broker: as little as will do."""

import os
from dataclasses import dataclass, field

from tests.support.broker_market import Market
from tests.support.scripted_broker import PRICE
from veilmart.broker.keys import token_keys
from veilmart.broker.keys.token_keys import KeyRow
from veilmart.broker.sessions.session import Session
from veilmart.crypto import signing
from veilmart.crypto.blind_rsa import choose_blinding
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.token import TokenSecrets, blind_token, finish_token
from veilmart.protocol.token_messages import (
    GetRefund,
    Issue,
    Issued,
    Recover,
    RefundToken,
    Spend,
    Spent,
)


def fresh_secrets(key: KeyRow) -> TokenSecrets:
    """Random ones: only restoring needs them derived."""
    blinding = choose_blinding(key.public.numbers, lambda _: os.urandom(256))
    return TokenSecrets(nonce=os.urandom(32), salt=os.urandom(48), blinding=blinding)


@dataclass
class TokenWallet:
    """Withdraws and spends at a market's broker. secrets: of each order's refund token."""

    market: Market
    id: bytes = field(default_factory=lambda: os.urandom(16))
    next: dict[bytes, int] = field(default_factory=dict)
    secrets: dict[bytes, TokenSecrets] = field(default_factory=dict)

    def key(self, price: int = PRICE) -> KeyRow:
        """The one that issues now."""
        now = self.market.clock()
        rows = self.market.run(token_keys.living)
        return next(row for row in rows if row.price == price and row.issues(now))

    def asking(self, key: KeyRow, count: int) -> tuple[Issue, list[TokenSecrets]]:
        secrets = [fresh_secrets(key) for _ in range(count)]
        first = self.next.get(key.id, 0)
        self.next[key.id] = first + count
        blinded = b"".join(blind_token(key.public, each) for each in secrets)
        request = Issue(
            request=os.urandom(16), wallet=self.id, key=key.id, first=first, blinded=blinded
        )
        return request, secrets

    async def withdraw(self, session: Session, count: int = 1, price: int = PRICE) -> list[bytes]:
        key = self.key(price)
        request, secrets = self.asking(key, count)
        issued: Issued = await self.market.ask(session, request)
        return self.finish(key, secrets, issued)

    def finish(self, key: KeyRow, secrets: list[TokenSecrets], issued: Issued) -> list[bytes]:
        return [
            finish_token(key.public, each, issued.signatures[at * 256 : (at + 1) * 256])
            for at, each in enumerate(secrets)
        ]

    def spending(
        self, order: bytes, token: bytes, refund: KeyRow | None = None, **other: object
    ) -> Spend:
        """The request; the market knows the order's seed."""
        refund = refund or self.key()
        secrets = self.secrets.setdefault(order, fresh_secrets(refund))
        seed = self.market.seeds.setdefault(order, os.urandom(32))
        fields: dict[str, object] = {
            "operation": operation_id(order, "spend"),
            "order": order,
            "amount": PRICE,
            "token": token,
            "refund_key": refund.id,
            "refund_blinded": blind_token(refund.public, secrets),
            "order_key": signing.public_key(seed),
            "signature": sign_action(seed, order, "spend"),
        } | other
        return Spend(**fields)  # type: ignore[arg-type]

    async def spend(self, order: bytes, token: bytes, **other: object) -> Spent:
        spent: Spent = await self.market.ask(
            self.market.session(),
            self.spending(order, token, **other),  # type: ignore[arg-type]
        )
        return spent

    async def refund(self, order: bytes) -> bytes:
        """The finished token of a refunded order."""
        answer: RefundToken = await self.market.ask(
            self.market.session(), self.asking_refund(order)
        )
        rows = self.market.run(token_keys.living)
        key = next(row for row in rows if row.id == answer.key)
        return finish_token(key.public, self.secrets[order], answer.signature)

    def asking_refund(self, order: bytes) -> GetRefund:
        signature = sign_action(self.market.seeds[order], order, "refund")
        return GetRefund(order=order, signature=signature)

    def recovering(self, order: bytes) -> Recover:
        seed = self.market.seeds[order]
        signature = sign_action(seed, bytes(32), "recover")
        return Recover(order_key=signing.public_key(seed), signature=signature)
