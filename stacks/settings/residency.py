"""Where data may go: nowhere but to what is on the list, or wherever the other settings say."""

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.group import Group

_HOST = re.compile(r"(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z]{2,}|[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def _place(value: str) -> str:
    if _HOST.fullmatch(value):
        return value
    try:
        network = ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("is no host (x10000.example.net), names below one (*.corp.example.net), or range (10.0.0.0/8)") from None
    if network.prefixlen == 0:
        raise ValueError("is every address there is: nothing would be locked")
    return str(network)


class ResidencySettings(Group):
    """Where data may go."""

    mode: Literal["open", "locked"] = Field(
        default="open", description="locked: no address that is not on the list, no hub, no telemetry", examples=["locked"]
    )
    allowed: tuple[Annotated[str, AfterValidator(_place)], ...] = Field(
        default=(),
        description="hosts, names below a domain and ranges of addresses that are in the house",
        examples=['\'["*.corp.example.net", "10.0.0.0/8"]\''],
    )
