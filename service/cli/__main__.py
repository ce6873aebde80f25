"""`python -m service.cli` is the `credence` command."""

from service.cli import main

main()
