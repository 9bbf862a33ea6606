"""The wallet's database revisions."""
