"""Screening: which goods may be sold here, by a rules file that has a version."""
