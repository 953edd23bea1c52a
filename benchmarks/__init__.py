"""Measurements, side by side with OpenStack Octavia where it does the same work."""
