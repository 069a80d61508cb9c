"""Runs beside each other: fingerprint, baseline, comparison, calibration; works on reports, and measures nothing."""
