"""Files: home folder, partial files, safe names, locks, disk errors. It imports no other room."""
