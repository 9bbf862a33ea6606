"""The merchant's tables and their migrations. It may import nothing of the merchant."""
