"""What other exchanges cost on the same machine in the same run: ACA-Py, AS2 and AS4. `make bench-peers`."""
