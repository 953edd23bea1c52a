"""The composition root: one Options and makeService for each daemon."""
