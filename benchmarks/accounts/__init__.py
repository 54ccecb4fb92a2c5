"""What the exporter costs with many accounts, and whether slow accounts delay others: measured from outside."""
