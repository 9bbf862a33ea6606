"""Customers' accounts: register, log in, device keys, guessing limits, vouchers, invitations.

It may import `ledger`, `sessions`, `settings` and `state`, but not `tokens` or `escrow`.
"""
