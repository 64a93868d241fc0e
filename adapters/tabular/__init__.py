"""CSV and XLSX with a declarative mapping file; files are parsed in a child process with hard limits."""
