"""Wallets in fresh folders, and a scripted broker and merchant."""

from tests.support.customer_fixtures import keys, market, wallet

__all__ = ["keys", "market", "wallet"]
