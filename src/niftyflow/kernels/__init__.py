"""Compiled numeric functions: Numba over NumPy arrays, cached on disk. They hold no state, read no clock, do no I/O."""
