"""Small real programs and values that stand in for what tests cannot have."""
