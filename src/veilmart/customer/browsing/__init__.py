"""The tunnel to a merchant, and what is read in it: catalogue, covers, menu.

It may import `trust` and what lies below it.
"""
