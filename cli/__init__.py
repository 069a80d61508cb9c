"""What `./rag` lists, and how a command's code is reached: imported when it runs, so that help and typos cost nothing."""
