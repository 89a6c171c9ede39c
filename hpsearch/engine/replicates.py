"""Trials of several members (folds and seeds): their epochs and ends are the members' mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from hpsearch.engine.structure.members import Member, Stream
from hpsearch.engine.train import MemberEnded, MemberEpoch
from hpsearch.study.trial import Done, Epoch, Failed, Replicate, Result, averaged


@dataclass(frozen=True, slots=True)
class MembersEnded:
    """The end of a trial's segment: its result, and the ends of its members in their order."""

    number: int
    result: Result
    members: tuple[MemberEnded, ...]


def joined(
    members: Sequence[Member], events: Iterator[MemberEpoch | MemberEnded]
) -> Iterator[Epoch | MembersEnded]:
    """Yield the epochs and ends of trials, from those of all their members.

    An epoch of a trial is the mean over its members, where a member that has stopped before counts
    with its best epoch.
    """
    trials: dict[int, _Trial] = {}
    for member in members:
        trials.setdefault(member.number, _Trial()).members.append(member)
    for event in events:
        member, trial = event.member, trials[event.member.number]
        if len(trial.members) == 1:
            if isinstance(event, MemberEnded):
                yield MembersEnded(member.number, event.result, (event,))
            else:
                yield event.epoch
            continue
        if isinstance(event, MemberEnded):
            trial.ended[member.stream] = event
        else:
            trial.curves.setdefault(member.stream, []).append(event.epoch)
        yield from trial.epochs()
        if len(trial.ended) == len(trial.members):
            ended = tuple(trial.ended[member.stream] for member in trial.members)
            yield MembersEnded(member.number, trial.result(), ended)


@dataclass(slots=True)
class _Trial:
    """What is known of a trial's members so far, by their streams."""

    members: list[Member] = field(default_factory=list)
    curves: dict[Stream, list[Epoch]] = field(default_factory=dict)
    ended: dict[Stream, MemberEnded] = field(default_factory=dict)
    curve: list[Epoch] = field(default_factory=list)

    def epochs(self) -> Iterator[Epoch]:
        """Yield the epochs that all members have now reached, or stopped before."""
        going = [m.stream for m in self.members if m.stream not in self.ended]
        longest = max(map(len, self.curves.values()), default=0)
        reached = min((len(self.curves.get(s, ())) for s in going), default=longest)
        while len(self.curve) < reached:
            at = [self._at(member.stream, len(self.curve)) for member in self.members]
            means = (
                fmean(getattr(one, name) for one in at) for name in ("train_loss", "loss", "metric")
            )
            number = self.members[0].start_epoch + len(self.curve) + 1
            self.curve.append(Epoch(self.members[0].number, number, *means))
            yield self.curve[-1]

    def _at(self, stream: Stream, index: int) -> Epoch:
        """Return a member's epoch of this segment, or its best one where it stopped before."""
        curve = self.curves.get(stream, [])
        return curve[index] if index < len(curve) else self.ended[stream].best or curve[-1]

    def result(self) -> Result:
        """Return the members' mean; a trial fails where one of its members does."""
        results = [(member, self.ended[member.stream].result) for member in self.members]
        seconds, curve = sum(result.seconds for _, result in results), tuple(self.curve)
        for member, result in results:
            if isinstance(result, Failed):
                which = f" (replicate {member.replicate}, fold {member.fold})"
                message = result.message + which
                return Failed(result.kind, message, seconds, curve, curve[-1].epoch if curve else 0)
        done = [(member, result) for member, result in results if isinstance(result, Done)]
        runs = [Replicate(m.replicate, m.fold, r.loss, r.metric, r.best_epoch) for m, r in done]
        return replace(
            averaged(done[0][1], runs),
            seconds=seconds,
            flops=sum(result.flops for _, result in done),
            steps=sum(result.steps for _, result in done),
            epochs=max(result.epochs for _, result in done),
            curve=curve,
            paused=any(result.paused for _, result in done),
            halved=any(result.halved for _, result in done),
        )
