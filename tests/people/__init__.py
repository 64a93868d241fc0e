"""People: signing in, roles, offices."""
