"""Disputes: evidence, the decision, and the merchant's own refunds.

It may import `escrow` and what lies below it, but not `relay`.
"""
