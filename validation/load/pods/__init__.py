"""Load from an Indexed Job: generators in pods of the suite's own image, started together, their histograms merged through the bucket."""
