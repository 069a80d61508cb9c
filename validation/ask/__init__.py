"""Questions and answers: what a collection holds on a question, what the language model makes of it, and the original of each claim."""
