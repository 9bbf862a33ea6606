"""Finding the fault in a delivery, disputing it, and the proof file.

It may import `purchase` and what lies below it.
"""
