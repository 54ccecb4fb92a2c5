"""The fault matrix: every fault, in every phase of polling, of every collector. Tests run it; `make docs` prints it."""
