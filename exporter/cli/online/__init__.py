"""What `check --online` learns of each API: the requests, what follows from the answers, and how that is shown."""
