"""What writes pages, pictures and measurements, or sets up a checkout. Nothing of it is installed."""
