"""Which things there are, how big, in what order: settings in, endpoints out."""
