"""What controller and agent say to each other. Imports nothing else of ours."""
