"""Datasets: cards, licences, the audit log."""
