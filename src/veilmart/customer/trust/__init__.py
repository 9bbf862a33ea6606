"""Whom the wallet believes: pins, descriptor checks, two views, proofs of forgery.

It may import `wallet` and `effects`.
"""
