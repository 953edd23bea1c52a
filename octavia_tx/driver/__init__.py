"""The intermediate layer between the API and those who provide load balancers."""
