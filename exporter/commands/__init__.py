"""What the program can be told to do: a module for each command, its function returns the exit status."""
