"""Other projects' configurations, read into architectures of ours."""
