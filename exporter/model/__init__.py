"""Pure values and rules that every room shares: records, families, totals, and what a change counts."""
