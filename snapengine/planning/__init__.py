"""Decisions made before any work: pure functions on values, no I/O."""
