"""What takes long, and what shorter tests elsewhere tell in short: for C{make test-all} alone."""
