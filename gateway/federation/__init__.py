"""The face peers see: two doors and static files, and the client that knocks on theirs."""
