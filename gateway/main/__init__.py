"""The composition root: the only package that knows every concrete class, and the one crossing to adapters.

`node` opens a node, `serving` runs it, `setup` makes and diagnoses one, `sources` and `trial` read institutions' files,
`logcheck` checks a log. Nothing is imported here, so that a running node loads only what it uses.
"""
