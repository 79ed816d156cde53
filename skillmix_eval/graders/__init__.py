"""Who turns a text into one verdict per rubric item: a judge model (`rubric`) or code (`rules`)."""
