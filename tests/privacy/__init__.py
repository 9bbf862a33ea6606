"""The promise under attack: what others see is compared between worlds that differ in a secret."""
