"""Training a student on texts: lessons, the loop, checkpoints. torch is imported late (extra `train`)."""
