"""Who works at this node: people, their posts at offices, how they sign in, and when an office works. No HTTP, no SQL."""
