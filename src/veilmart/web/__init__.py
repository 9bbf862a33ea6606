"""Pages in a browser on this machine: access control, and what the faces of all roles share."""
