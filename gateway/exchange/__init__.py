"""What a node does, in the words of the protocol: receive, submit, deliver, dispatch, answer. No HTTP, no SQL, no files."""
