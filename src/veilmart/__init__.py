"""veilmart: selling digital goods through a broker that never learns what was bought."""

__version__ = "0.2.0"
