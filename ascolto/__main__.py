"""python -m ascolto."""

from ascolto.cli import main

main()
