"""Training where memory does not suffice for all members at once: one half after the other."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from hpsearch.engine.checkpoint import Pause
from hpsearch.engine.feed import Feed
from hpsearch.engine.structure.cohorts import even_parts
from hpsearch.engine.structure.members import Member
from hpsearch.engine.train import MemberEnded, MemberEpoch, train
from hpsearch.shortage import lacks_memory, too_much
from hpsearch.study.trial import Done, Failed


def train_as_fits(
    feed: Feed, members: Sequence[Member], metric: str, seed: int, pauses: Mapping[str, Pause]
) -> Iterator[MemberEpoch | MemberEnded]:
    """Train members as `train` does, in halves where memory does not suffice, and so on.

    Members that have ended by then keep their results. The others begin again from where this
    segment began; of their epochs each is given once, as it came first. What they come to is marked
    as `halved`, since the roundings of an array depend on its size. A member that does not fit
    alone has failed.
    """
    given: dict[str, int] = {}
    for event in _in_parts(feed, members, metric, seed, pauses):
        if isinstance(event, MemberEpoch):
            if event.epoch.epoch <= given.get(event.member.name, 0):
                continue
            given[event.member.name] = event.epoch.epoch
        yield event


def _in_parts(
    feed: Feed, members: Sequence[Member], metric: str, seed: int, pauses: Mapping[str, Pause]
) -> Iterator[MemberEpoch | MemberEnded]:
    """Train the members in the largest parts that fit; their epochs may come several times."""
    waiting = [list(members)]
    while waiting:
        part = waiting.pop(0)
        left = {member.name: member for member in part}
        try:
            for event in train(feed, part, metric, seed, pauses):
                if isinstance(event, MemberEnded):
                    del left[event.member.name]
                    event = _marked(event, len(part) < len(members))
                yield event
        except (MemoryError, RuntimeError) as error:
            if not lacks_memory(error):
                raise
        # the error is forgotten by now, and with it the frames that held the array
        if not left:
            continue
        _release(feed.like.device)
        if len(part) == 1:
            yield MemberEnded(part[0], Failed("memory", _too_much(feed.like.device)), {})
        else:
            waiting[:0] = even_parts([*left.values()], -(-len(left) // 2))


def _marked(event: MemberEnded, halved: bool) -> MemberEnded:
    if halved and isinstance(event.result, Done):
        return replace(event, result=replace(event.result, halved=True))
    return event


def _release(device: torch.device) -> None:
    """Give back what the last array has held."""
    gc.collect()  # an array and its way back refer to each other
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _too_much(device: torch.device) -> str:
    """Return in words that a training does not fit into memory."""
    if device.type == "cuda":
        return too_much(torch.cuda.get_device_properties(device).total_memory, "the GPU")
    most, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return too_much(None if most == resource.RLIM_INFINITY else most)
