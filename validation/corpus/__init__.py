"""Documents: read, cut into chunks, generated, stored, cited, and the judgements that belong to them."""
