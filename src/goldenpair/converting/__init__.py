"""From the raw export of an AOI machine to tables of pairs."""
