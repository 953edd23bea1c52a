"""Access logs: out of haproxy, onto disk for a while, and to where the operator wants them."""
