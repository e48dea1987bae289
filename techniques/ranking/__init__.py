"""What rankings are made of: schedules of comparisons and verdicts. Nothing here draws."""
