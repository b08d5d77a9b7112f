"""The proof of the verdicts: controls whose answer is known, through the real command line, and what came of them."""
