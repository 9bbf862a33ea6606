"""Withdrawing and depositing tokens, the register of spent tokens, retiring keys.

Paying with a token is a payment and lives in `escrow`. This package never imports `escrow`.
"""
