"""Rows of the shop: shelves, products, covers and samples, the shop's revision.

It may import `schema`, `events` and `effects`.
"""
