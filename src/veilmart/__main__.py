"""`python -m veilmart` is the `veilmart` command."""

from veilmart.cli import main

main()
