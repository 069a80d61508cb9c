"""Searches at planned times: the plan, the exact answers, the processes and pods that send them."""
