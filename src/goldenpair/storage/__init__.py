"""Files that are elsewhere: fetched, unpacked, kept in a cache, and sent back. Knows nothing of specs."""
