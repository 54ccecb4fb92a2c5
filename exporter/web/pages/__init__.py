"""Pages for people. Pure: snapshots to HTML."""
