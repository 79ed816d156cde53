"""Addition of numbers of three digits, one digit of the sum at a time; for training only."""
