"""Specs: every option declared once; files, overrides, schemas and templates are computed from that."""
