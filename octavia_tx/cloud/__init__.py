"""Where machines, addresses and certificates come from."""
