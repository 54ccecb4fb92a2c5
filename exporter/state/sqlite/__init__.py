"""The state in an SQLite file that one program uses."""
