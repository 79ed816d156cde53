"""Statistics behind decisions: numbers in, records out, no files, no models."""
