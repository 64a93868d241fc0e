"""The only cryptography: signing, sealing, records, trust, the log, key files, the vault. Capabilities go out, keys do not."""
