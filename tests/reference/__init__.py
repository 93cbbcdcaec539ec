"""Naive twins: what the fast code must agree with. Imports nothing of snapengine."""
