"""What the cut drops is what passes between pods and store, and only what it dropped is counted."""

from ipaddress import IPv4Network

from lab.places import Network
from tests.drills import network_cut

NET = Network(link=IPv4Network("10.88.255.0/30"), services=IPv4Network("10.96.0.0/16"), pods=IPv4Network("10.244.0.0/16"))
LISTED = """Chain INPUT (policy ACCEPT 0 packets, 0 bytes)
    pkts      bytes target     prot opt in     out     source               destination
      12      720 DROP       6    --  *      *       10.244.0.0/16        10.88.255.2          tcp dpt:7070 /* milvus-x10000-drill */
     400    24000 KUBE-FIREWALL  0    --  *      *       0.0.0.0/0            0.0.0.0/0
"""


def test_both_ways_between_pods_and_store_are_cut_and_nothing_else() -> None:
    to, back = (" ".join(network_cut.rule(chain, NET)) for chain in ("INPUT", "OUTPUT"))
    assert to.startswith("INPUT -s 10.244.0.0/16 -d 10.88.255.2 -p tcp --dport 7070 ")
    assert back.startswith("OUTPUT -d 10.244.0.0/16 -s 10.88.255.2 -p tcp --sport 7070 ")


def test_a_cut_that_no_packet_met_is_told_from_one_that_did() -> None:
    assert network_cut.dropped(LISTED) == 12
    assert network_cut.dropped(LISTED.replace("12 ", " 0 ", 1)) == 0
