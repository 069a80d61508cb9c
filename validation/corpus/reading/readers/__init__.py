"""One reader for each kind of file: bytes in, title and sections out. None follows a link, runs anything or asks the network."""
