"""The customer: browses, pays from an account or with a token, fetches and keeps the goods."""
