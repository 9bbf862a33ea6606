"""A purchase from the choice to the finished file, and the recovery of an interrupted one.

It may import `browsing` and what lies below it.
"""
