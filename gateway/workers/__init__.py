"""The loops that keep a node working, each supervised: one that fails is restarted, counted and shown (reliability rule 4)."""
