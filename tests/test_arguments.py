"""What several commands take, declared once."""

import argparse

import pytest

from goldenpair import cli
from goldenpair.arguments import add_columns, add_debug


def test_columns():
    parser = argparse.ArgumentParser()
    add_columns(parser)
    add_debug(parser)
    nothing = {"labels": None, "score": None, "label": "label", "board": None, "debug": False}
    assert vars(parser.parse_args([])) == nothing
    words = ["--labels", "l.csv", "--score", "s", "--label", "t", "--board", "b", "--debug"]
    assert list(vars(parser.parse_args(words)).values()) == ["l.csv", "s", "t", "b", True]


def commands():
    (found,) = [one for one in cli._parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return found.choices


@pytest.mark.parametrize("name", ["report", "policy", "compare"])
def test_commands_on_tables_of_scores_call_their_columns_alike(name):
    own = argparse.ArgumentParser()
    add_columns(own, several=name == "compare")
    wanted = {one.option_strings[0]: one.help for one in own._actions}
    there = {one.option_strings[0]: one.help for one in commands()[name]._actions if one.option_strings}
    assert there.items() >= wanted.items()


def test_every_command_starts_in_the_same_way():
    for name, command in commands().items():
        assert callable(command.get_default("run")), name
        assert "--debug" in {word for one in command._actions for word in one.option_strings}, name
