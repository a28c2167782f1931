"""`python -m videogen.cli`, where the script is not on PATH."""

from videogen.cli import main

main()
