"""The session with the broker and the performer of the rules' effects.

It may import the rules (`disputes`, `purchase`, `browsing`, `trust`).
"""
