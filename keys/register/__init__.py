"""The register of members: a TUF repository read by every node and changed only by enough custodians (SPEC 10)."""
