"""What an operator does with an environment besides `pulumi up`, one file a command."""
