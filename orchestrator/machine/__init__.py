"""This machine: what it tells of itself, how many cores there really are, and who may measure on it."""
