"""What rankings are made of: schedules of comparisons, verdicts, and the Bradley-Terry model. Nothing here draws."""
