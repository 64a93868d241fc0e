"""One package per kind of institution system, each translating between that system and `contracts`. Sees nothing else."""
