"""How much one process bears on one core, and where the time goes."""
