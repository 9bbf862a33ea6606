"""The merchant's database revisions, oldest first."""
