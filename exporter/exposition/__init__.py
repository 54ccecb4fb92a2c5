"""What a scrape gets: the catalog of families, samples, text formats, and the snapshot that they are made from."""
