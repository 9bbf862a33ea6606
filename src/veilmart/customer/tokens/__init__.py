"""Withdrawing tokens, keeping a stock of them, restoring them from the words.

It may import `connection` and what lies below it, but not `library`.
"""
