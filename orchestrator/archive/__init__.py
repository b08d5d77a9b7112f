"""Runs on the disk: to go on with, to watch, to check, to ask in SQL, and to delete."""
