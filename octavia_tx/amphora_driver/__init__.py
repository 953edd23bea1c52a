"""The haproxy amphora driver: model to files, files to the agent."""
