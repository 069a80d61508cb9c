"""From a file's bytes to sections and chunks, in a process of its own, since files are anybody's."""
