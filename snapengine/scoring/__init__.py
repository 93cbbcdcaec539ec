"""Judging frames: how good a cover each one would make, and why."""
