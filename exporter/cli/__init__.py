"""The commands, one module each. The `run` of a command returns whether it succeeded."""
