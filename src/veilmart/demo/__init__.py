"""`veilmart demo`: the whole market as processes, and goods to sell in it."""
