"""The broker's own keys: its descriptors and, per price point and epoch, its token keys.

It may import `schema` and `settings`.
"""
