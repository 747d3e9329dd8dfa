"""`python -m nearkin` is `nearkin`."""

from nearkin.cli import main

main()
