"""Heartbeats in; statuses, statistics and silence out."""
