"""Soaking the program: one process for a long time, in a world that moves, under faults of all kinds."""
