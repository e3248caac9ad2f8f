"""Models: what their files are, and what is kept elsewhere."""
