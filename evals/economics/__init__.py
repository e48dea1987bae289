"""What answers cost: cost of pass, frontiers, Pareto sets and marginal prices."""
