"""Files, product stores, databases, backups, shared session rows. It knows no role."""
