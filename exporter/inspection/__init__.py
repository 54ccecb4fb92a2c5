"""One record as people and programs read it, and its files on disk. What a vendor's answer means is not known here."""
