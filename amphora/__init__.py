"""The agent inside an amphora."""
