"""The network from the pods of the lab to its store is cut: their packets are dropped for a while, and nobody is told.

For a drill: `./rag drill network-cut lab -- python -m tests.drills.network_cut`. By iptables in the lab's own network namespace, since its
network plugin enforces no policy. On any other cluster the command is whatever cuts there, such as a NetworkPolicy for a minute.
"""

import subprocess
import sys
import time

from lab import process_tree
from lab.places import Network, network

CUT_S = 60.0
MARK = "milvus-x10000-drill"
CHAINS = {"INPUT": ("-s", "-d", "--dport"), "OUTPUT": ("-d", "-s", "--sport")}
"""Where packets to the store pass, and its answers; by which options the pods, the store and its port are named there."""


def rule(chain: str, net: Network) -> list[str]:
    """Return the rule that drops what passes between all pods and the store."""
    pods, store, port = CHAINS[chain]
    number = net.s3_endpoint.rpartition(":")[2]
    matched = [pods, str(net.pods), store, str(net.node), "-p", "tcp", port, number]
    return [chain, *matched, "-m", "comment", "--comment", MARK, "-j", "DROP"]


def dropped(listed: str) -> int:
    """Return how many packets the rules of a drill dropped, as `iptables -nvxL` lists them."""
    return sum(int(line.split()[0]) for line in listed.splitlines() if MARK in line)


def main(seconds: float = CUT_S) -> int:
    """Cut, wait, and mend; 1 where no packet came by, so that the fault met nothing."""
    outer = process_tree.running()
    if outer is None:
        print("error: no lab runs on this machine; nothing was cut", file=sys.stderr)
        return 2
    net, inside = network(), ["nsenter", "--net", "--target", str(outer["pid"]), "iptables", "--wait"]
    mend(inside, net)  # what a killed one left
    try:
        for chain in CHAINS:
            subprocess.run([*inside, "-I", *rule(chain, net)], check=True)
        print(f"{net.pods} and {net.s3_endpoint} are cut off from each other for {seconds:g} s", flush=True)
        time.sleep(seconds)
        met = sum(dropped(subprocess.run([*inside, "-nvxL", chain], check=True, capture_output=True, text=True).stdout) for chain in CHAINS)
    finally:
        mend(inside, net)
    print(f"{met} packets were dropped", flush=True)
    return 0 if met else 1


def mend(inside: list[str], net: Network) -> None:
    """Remove the rules, however often they are there."""
    for chain in CHAINS:
        while subprocess.run([*inside, "-D", *rule(chain, net)], check=False, capture_output=True).returncode == 0:
            pass


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:])))
