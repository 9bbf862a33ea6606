"""The tunnel to a merchant, and what is read in it before a choice: catalogue, covers, menu.

It may import `trust` and what lies below it.
"""
