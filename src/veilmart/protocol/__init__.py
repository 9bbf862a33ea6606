"""Messages, descriptors, offers, parcels, tokens, states, effects. Pure: no clock, no I/O."""
