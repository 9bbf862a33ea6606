"""Invoices and their money: pay (account or token), hold, release, settle, refund, report.

Every decision is one transaction. It may import `tokens`, `accounts` and what lies below them.
"""
