"""Trainers of one's own in a file: a command, or a function, in place of `data:` and `train:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpsearch.commands.flags import SearchFlags, overrides
from hpsearch.config.spec import Override, TrainerSpec, parse
from hpsearch.errors import Problem, SpecError

COMMAND = 'command: [python, train.py, "{args}"]\n'
SPACE = "parameters:\n  rate: {min: 1e-4, max: 1.0, log: true}\n  layers: {values: [1, 2]}\n"
DASHES: Override = (("command",), ["./train", "{args}"], "-- ./train {args}")


def read(text: str, *flags: Override, strategy: str | None = "random") -> TrainerSpec:
    """Return what a file means."""
    spec = parse(text, "mine.yaml", Path("/mine"), flags, strategy=strategy)
    assert isinstance(spec, TrainerSpec)
    return spec


def problems_of(text: str, *flags: Override, strategy: str | None = "random") -> list[Problem]:
    """Return what is wrong with a file."""
    with pytest.raises(SpecError) as caught:
        parse(text, "mine.yaml", Path("/mine"), flags, strategy=strategy)
    return list(caught.value.problems)


def said(*settings: str, **others: object) -> list[Override]:
    """Return the flags of a command line."""
    given = {"config": None, "own": {}, "settings": settings, **others}
    return list(overrides(SearchFlags(**given), "random"))  # type: ignore[arg-type]


def test_a_command_has_its_words_and_parameters_of_any_name() -> None:
    spec = read(COMMAND + SPACE)
    assert spec.trainer.command == ["python", "train.py", "{args}"]
    assert (spec.name, spec.folder, [*spec.space.parameters]) == (
        "mine", Path("/mine"), ["rate", "layers"],
    )  # fmt: skip
    assert spec.places["command"].line == 1


def test_what_counts_is_the_loss_unless_it_is_named() -> None:
    assert read(COMMAND).trainer.counts == "loss"
    assert read(f"{COMMAND}minimize: val_loss\n").trainer.counts == "val_loss"
    maximized = read(f"{COMMAND}maximize: accuracy\n").trainer
    assert (maximized.counts, maximized.maximize) == ("accuracy", "accuracy")


def test_a_function_has_a_module() -> None:
    assert read(f"objective: my.train:loss\n{SPACE}").trainer.objective == "my.train:loss"


def test_a_command_may_come_after_dashes() -> None:
    assert read(SPACE, DASHES).trainer.command == ["./train", "{args}"]


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("data: {source: digits}\n", "'data' has no meaning beside 'command'", "leave one of"),
        ("train: {epochs: 3}\n", "'train' has no meaning beside 'command'", "lr: {value: 0.1}"),
        ("weights: w\n", "'weights' has no meaning beside 'command'", "reads its data itself"),
        ("search: {metric: auc}\n", "'metric' has no meaning beside 'command'", "maximize: acc"),
        ("search: {seeds: 3}\n", "'seeds' has no meaning beside 'command'", "confirm: true"),
        ("objective: a:b\n", "'objective' has no meaning beside 'command'", "leave one of"),
        ("minimize: a\nmaximize: b\n", "'maximize' has no meaning beside 'minimize'", "one number"),
        ("minimize: epoch\n", "trials cannot be compared by 'epoch'", "name another number"),
        ("metrics: {loss: 'a(.*'}\n", "this is no regular expression: ", "such as  loss:"),
        ("metrics: {loss: 'a=.*'}\n", "this pattern has no groups", "such as"),
        ("metrics: {acc: 'a=(.)'}\n", "no pattern reads 'loss', which trials are", "add  loss: "),
        ("search: {halving: true}\n", "halving needs to know how long", "epochs: 27"),
        ("epochs: 2\nsearch: {halving: true}\n", "2 epochs are too few", "takes 3 or more"),
        ("epochs: 2.5\n", "'epochs' is 2.5, which is not a whole number", ""),
        ("epoch: 3\n", "unknown key 'epoch'", "allowed here: command"),
        ("arguments: -a b\n", "'arguments' is the text '-a b', which is not --a=b", ""),
        ("trials: [{rate: 0.1, layer: 1}]\n", "'layer' is no parameter", "there are: rate, layers"),
        ("trials: [{rate: 0.1, layers: 3}]\n", "'trials[0].layers' is 3, which is not", ""),
        ("trials: [{rate: 0.1}]\n", "this trial does not say what 'layers' is", "no default"),
        (
            "constraints: [rate * layers < 1]\ntrials: [{rate: 0.5, layers: 2}]\n",
            "this trial breaks 'rate * layers < 1': layers is 2, rate is 0.5",
            "",
        ),
    ],
)  # fmt: skip
def test_mistakes_have_their_place_and_what_would_be_right(
    text: str, message: str, help: str
) -> None:
    (problem,) = problems_of(SPACE + COMMAND + text)
    assert problem.message.startswith(message)
    assert help in problem.help
    assert problem.place
    assert problem.place.line >= 5


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("command: python train.py '{args}'\n", 'write ["python", "train.py", "{args}"]'),
        ("command: [python, {args}]\n", 'write "{args}", in quotes'),
        ("command: [python, -k, 3]\n", 'write "3", in quotes'),
        ("comand: [python]\n", "did you mean 'command'?"),
        ("objective: train.py\n", ""),
    ],
)
def test_slips_are_answered_with_what_is_meant(text: str, hint: str) -> None:
    (problem,) = problems_of(text)
    assert problem.hint == hint


@pytest.mark.parametrize(
    ("key", "help"),
    [("maximize: auc", "search: {metric: auc}"), ("template: a.yaml", "leave it out")],
)
def test_networks_have_none_of_these_keys(key: str, help: str) -> None:
    (problem,) = problems_of(f"data: {{source: digits}}\n{key}\n")
    assert problem.message == f"'{key.split(':')[0]}' has no meaning without 'command'"
    assert help in problem.help


@pytest.mark.parametrize("key", ["template: a", "arguments: json", "metrics: {loss: 'a=(.)'}"])
def test_a_function_has_no_keys_of_commands(key: str) -> None:
    (problem,) = problems_of(f"objective: train:loss\n{key}\n")
    assert problem.message == f"'{key.split(':')[0]}' has no meaning beside 'objective'"


def test_data_of_a_flag_are_refused_beside_a_command() -> None:
    (problem,) = problems_of(COMMAND, *said(data="digits"))
    assert problem.place
    assert (problem.message, problem.place.file) == (
        "'data' has no meaning beside 'command'", "--data digits",
    )  # fmt: skip


def test_a_hand_picked_trial_says_what_is_searched_and_no_more() -> None:
    space = "parameters:\n  opt: {values: [a, b]}\n  rate: {min: 0.0, max: 1.0, when: {opt: a}}\n"
    trials = "  one: {value: 7}\ntrials: [{opt: b}, {opt: a, rate: 1}]\n"
    spec = read(COMMAND + space + trials, strategy="manual")
    assert spec.trials == ({"opt": "b", "one": 7}, {"opt": "a", "one": 7, "rate": 1.0})
    (problem,) = problems_of(f"{COMMAND}{space}trials: [{{opt: b, rate: 0.5}}]\n")
    assert problem.message == "'rate' has no meaning in this trial"


def test_where_nothing_is_searched_trials_have_any_names() -> None:
    assert read(f"{COMMAND}trials: [{{a: 1}}, {{b: x}}]\n").trials == ({"a": 1}, {"b": "x"})


class TestFlags:
    def test_a_name_is_a_key_of_the_file_or_else_a_parameter(self) -> None:
        flags = said("maximize=accuracy", "epochs=27", "rate=0.5")
        spec = read(COMMAND + SPACE, *flags)
        assert (spec.trainer.maximize, spec.trainer.epochs) == ("accuracy", 27)
        assert spec.space.parameters["rate"].values() == (0.5,)
        assert [*spec.space.parameters] == ["layers", "rate"]

    def test_what_is_fixed_leaves_conditions_and_trials(self) -> None:
        space = "parameters:\n  opt: {values: [a, b]}\n  rate: {values: [1], when: {opt: a}}\n"
        trials = "trials: [{opt: b}]\n"
        assert [*read(COMMAND + space, *said("opt=b")).space.parameters] == ["opt"]
        assert read(COMMAND + space + trials, *said("opt=a")).trials == ({"opt": "a", "rate": 1},)

    def test_the_epochs_of_a_flag_are_those_of_a_whole_training(self) -> None:
        assert read(COMMAND, *said(epochs=9)).trainer.epochs == 9
        assert read(COMMAND, *said(smoke=True)).trainer.epochs == 1

    def test_words_after_dashes_are_a_flag(self) -> None:
        flags = said(command=("python", "a b.py", "{args}"))
        assert flags == [
            (("command",), ["python", "a b.py", "{args}"], "-- python 'a b.py' '{args}'")
        ]
