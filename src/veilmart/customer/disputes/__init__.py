"""Finding the fault in a delivery, disputing it, and the file that proves it.

It may import `purchase` and what lies below it.
"""
