"""The broker: carries sealed messages and holds the money, without learning what is bought."""
