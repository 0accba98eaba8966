"""How good scores are, and what is decided by them; nothing here needs torch."""
