"""Documents of a folder into chunks, and chunks into a collection: readers, chunking, the folder, the pipeline."""
