"""Workloads: plain functions, one subject per file."""
