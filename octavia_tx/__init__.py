"""Octavia-TX: load balancing as a service, as a suite of Twisted daemons."""
