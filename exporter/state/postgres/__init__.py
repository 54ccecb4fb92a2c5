"""The state in a PostgreSQL database, for replicas. It needs psycopg, and nothing else may import it at its top."""
