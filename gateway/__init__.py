"""One institution's node: what it does (exchange), its faces (federation, console) and hands (storage, workers)."""
