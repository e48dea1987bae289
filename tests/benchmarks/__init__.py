"""Benchmarks: each runs alone with ``python -m tests.benchmarks.NAME`` and prints a table and JSON."""
