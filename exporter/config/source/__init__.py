"""Read the bytes of a configuration file into plain values, each with its place for messages."""
