"""Backup and restore of a role's home, on both databases. It may import every other room."""
