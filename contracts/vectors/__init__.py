"""Golden bytes: one encoded message per type, receipts and the JSON Schemas, with what makes them (`examples`)."""
