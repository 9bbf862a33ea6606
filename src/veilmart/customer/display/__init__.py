"""What commands and pages show alike: lists, and where an order stands."""
