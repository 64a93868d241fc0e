"""What institutions agree on: identifiers, messages, fields, policy, errors. Pure: no I/O, clock, randomness or keys."""
