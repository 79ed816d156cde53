"""The stages of a sample's life: sample, prompt, generate, grade, score, report. None imports another."""
