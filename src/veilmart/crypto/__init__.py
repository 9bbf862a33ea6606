"""Ciphers, key agreement, signatures, blind signatures, padding. Pure: randomness is passed in."""
