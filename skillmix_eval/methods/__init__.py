"""Training methods: a file each, with `SOURCE`, `NEEDS` and `plan(observed, budget, seed, **options)`."""
