"""`batch-exporter state`: show what a state holds, and copy it to another place."""
