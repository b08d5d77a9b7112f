"""Controls with a known answer, run through the real command line."""
