"""From the bytes of a configuration file to plain values, each with its place for messages."""
