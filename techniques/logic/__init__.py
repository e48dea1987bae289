"""First-order logic: formulas, how they are read from text, and the provers that decide what follows from them."""
