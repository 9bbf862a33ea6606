"""From files to shelves: pack, add, import a folder, plan and move shelves, anonymity report.

It may import `home`, `publishing` and what lies below, but not `server` or `back_office`.
"""
