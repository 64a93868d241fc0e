"""Pictures and PDFs of an institution, cleaned of everything they say besides what can be seen."""
