"""Pages for people: the same steps as the local API, by cookie, form and HTML. No SQL, and nothing that is not also a route."""
