"""What commands do with an environment that is there: look at it, mend it, run Pulumi and Helm on it."""
