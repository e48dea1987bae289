"""Uncertainty, pools of samples, verifiers and stopping: pure functions on numbers."""
