"""Session rows that workers share, sealed under hourly keys. It may import `database`."""
