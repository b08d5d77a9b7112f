"""A first look at a function, and the spec that compares what it could run on."""
