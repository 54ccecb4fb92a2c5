"""The content of a scrape: the catalog of families, samples, text formats, and the snapshot behind them."""
