"""Models that answer: `--student NAME/MODEL` is the file NAME.py with `create(settings)`."""
