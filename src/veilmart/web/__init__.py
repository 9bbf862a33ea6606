"""Pages in a browser on this machine: who may drive them, and what all three faces share."""
