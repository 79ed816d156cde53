"""`python -m skillmix_eval` is `skillmix`."""

from .cli import main

main()
