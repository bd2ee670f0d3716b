"""Pages of package indexes, asked for by warmbase itself (PEP 503, PEP 691, PEP 700), with validators (RFC 9110,
section 13): an index says that a page is unchanged without sending it."""
