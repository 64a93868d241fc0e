"""The face this institution sees, on its own port: health, metrics and the commands' API so far; people's pages come here."""
