"""Benchmarks, graders and statistics."""
