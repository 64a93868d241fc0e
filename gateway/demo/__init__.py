"""A whole federation on one machine: six real nodes, real keys, real ceremony; only the people are fictitious."""
