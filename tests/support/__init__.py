"""What several suites share. `programs` starts real ones, quickly; the harnesses build on it."""
