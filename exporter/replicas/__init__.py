"""Which replica polls and exposes which account: leases in PostgreSQL."""
