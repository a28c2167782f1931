"""Why we believe it."""
