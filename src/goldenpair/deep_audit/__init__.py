"""Goldens and labels to look at again, found from the pictures alone: goldenpair audit --deep."""
