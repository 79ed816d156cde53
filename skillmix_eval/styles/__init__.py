"""Judge styles: each file holds one contract between a judge prompt and the parser of its replies."""
