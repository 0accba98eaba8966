"""Tables, pictures and batches of pairs."""
