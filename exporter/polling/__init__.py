"""Polling: a loop around each collector, its supervisor, and reloads."""
