"""Frozen values that flow through the engine. Standard library and numpy only; no I/O."""
