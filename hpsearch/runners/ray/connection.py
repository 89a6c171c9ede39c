"""A connection to Ray, and what it says of the nodes of its cluster."""

from __future__ import annotations

import math
import platform
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from hpsearch.errors import Problem, SpecError
from hpsearch.runners.ray.cluster import PACKAGES, NodeFacts
from hpsearch.runners.ray.messages import Assignment

_TO_REACH = 10.0  # seconds in which a cluster answers
_TO_ANSWER = 60.0  # seconds in which a node starts a process and says its versions
_LONGEST = 300  # characters of what Ray says in an error


@contextmanager
def connected(assigned: Assignment) -> Iterator[None]:
    """Have a connection to Ray.

    Raises:
        SpecError: there is no cluster at the address.
    """
    demand, workers = assigned.demand, assigned.resources.workers
    own: dict[str, Any] = {}
    if assigned.address is None:
        own = {
            "num_cpus": max(1, math.ceil(workers * demand.cpus)),
            "include_dashboard": False,
        }
        own |= {} if assigned.folder is None else {"_temp_dir": str(assigned.folder)}
    try:
        if assigned.address not in (None, "auto"):
            _reach(str(assigned.address))  # Ray itself tries for minutes
        ray.init(assigned.address or "local", log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        said = " ".join(str(error).split())[:_LONGEST]
        if assigned.address is None:
            message, help = f"Ray cannot be started: {said}", "--runner local does without it"
        else:
            message = f"no Ray can be used at {assigned.address}: {said}"
            help = "`ray status` shows whether there is one; without --address one is started here"
        raise SpecError(Problem("E120", message, help=help)) from error
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """See that something listens at an address.

    Raises:
        OSError: nothing does.
    """
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), _TO_REACH).close()


def living() -> Mapping[str, Mapping[str, Any]]:
    """Return what Ray knows of the nodes that are alive, by their ids."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def nodes() -> Sequence[NodeFacts]:
    """Return the nodes of the cluster, with their versions.

    What is called there is of the standard library, since hpsearch may be missing.
    """
    versions = {"python": everywhere(platform.python_version)}
    for name in PACKAGES:
        versions[name] = everywhere(metadata.version, name)
    return [
        NodeFacts(
            f"{node['NodeManagerAddress']} {node['NodeManagerHostname']}",
            node["Resources"],
            {name: found.get(key, "no answer") for name, found in versions.items()},
        )
        for key, node in living().items()
    ]


def everywhere(function: Callable[..., Any], *arguments: object) -> Mapping[str, Any]:
    """Call a function on every node; return what it gave, or the kind of its error, by node."""
    call = ray.remote(function)
    asked = {
        key: call.options(
            num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(key, soft=False)
        ).remote(*arguments)
        for key in living()
    }
    found, until = {}, time.monotonic() + _TO_ANSWER
    for key, answer in asked.items():
        try:
            found[key] = ray.get(answer, timeout=max(0.0, until - time.monotonic()))
        except GetTimeoutError:
            continue
        except RayError as error:
            found[key] = type(getattr(error, "cause", error)).__name__
    return found
