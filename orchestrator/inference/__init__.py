"""From blocks to intervals: a fold over raw events, and what the statistics say of it; pure."""
