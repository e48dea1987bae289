"""Search over the steps of an answer, written against the protocols of :mod:`archon.stepwise`."""
