"""PostgreSQL: pool, transactions, named statements, one repository per aggregate."""
