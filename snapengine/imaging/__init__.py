"""Frames to pictures. Pure functions on values; the loops live in ``kernels``."""
