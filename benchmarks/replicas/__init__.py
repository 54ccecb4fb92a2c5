"""What replicas that share PostgreSQL cost beside one process with SQLite, and how fast they take over."""
