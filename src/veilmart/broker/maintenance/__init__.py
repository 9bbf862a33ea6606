"""Work that is due by time: deadlines, forgetting, folding months, key rotation.

It may import `audit` and what lies below it, but not `server`.
"""
