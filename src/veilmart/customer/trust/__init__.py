"""Whom the wallet trusts: pins, descriptor checks, two views, proofs.

It may import `wallet` and `effects`.
"""
