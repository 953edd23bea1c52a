"""The tenant and operator API: Klein, one file per resource."""
