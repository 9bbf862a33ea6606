"""Customers' sessions, in memory or shared by workers, their logins and request numbers.

It may import `schema`. It knows nothing of accounts, orders or money.
"""
