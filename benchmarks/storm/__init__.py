"""What a scrape takes in a storm of scrapes and beside clients that read slowly, compared with a lone one."""
