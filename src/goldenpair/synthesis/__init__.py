"""Synthetic defects on real pictures: for training only, and marked as what they are."""
