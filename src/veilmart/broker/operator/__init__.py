"""What the operator does (admit, credit, pay out), and what merchants ask of the operator.

It may import everything below it, but not `audit`, `maintenance` or `server`.
"""
