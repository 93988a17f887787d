"""The corpus of failing seeds."""

import tomllib

import attrs
import pytest

from kelpie_sim.corpus import Entry, entry_of, find, load, load_all, replay, replay_all, save, to_toml
from kelpie_sim.outcome import Outcome
from kelpie_sim.simulation import simulate
from kelpie_sim.tape import Tape
from tests.sim import toy

SCENARIOS = {scenario.name: scenario for scenario in (*toy.SCENARIOS, toy.UNLOCKED)}
ENTRY = Entry(
    scenario="mail",
    seed=12345,
    signature='InvariantBroken the letter "arrives" \\ whole',
    finding="ünïcode, a tab\t, a bell\x07 and a delete\x7f",
    fix="sent again",
    python="3.11.7",
    options={"lost": 0.5, "late": 0.0, "on": True, "n": 3, "order": "fifo"},
    tape=b'{"version":1,"streams":{}}' * 50,
)


def failed() -> Outcome:
    return next(outcome for seed in range(30) if (outcome := simulate(toy.UNLOCKED, seed)).failed)


def test_entry_is_read_back_equal(tmp_path):
    """All that is saved is loaded, whatever characters it has."""
    assert load(save(ENTRY, tmp_path)) == ENTRY


def test_entry_is_plain_toml():
    """The file is one that any reader of TOML takes, options in their own table."""
    fields = tomllib.loads(to_toml(ENTRY))
    assert fields["options"] == ENTRY.options
    assert max(len(line) for line in to_toml(ENTRY).splitlines()) <= 100


def test_one_file_per_signature(tmp_path):
    """A second seed of one signature takes the place of the first; another signature has its own file."""
    save(ENTRY, tmp_path)
    save(attrs.evolve(ENTRY, seed=1), tmp_path)
    save(attrs.evolve(ENTRY, signature="other"), tmp_path)
    assert sorted((entry.seed, entry.signature) for entry in load_all(tmp_path)) == [
        (1, ENTRY.signature),
        (12345, "other"),
    ]


def test_entry_is_found_by_signature(tmp_path):
    """The signature is the key."""
    save(ENTRY, tmp_path)
    assert (find(ENTRY.signature, tmp_path), find("other", tmp_path)) == (ENTRY, None)


def test_empty_corpus_is_empty(tmp_path):
    """A folder that is not there holds no entries."""
    assert load_all(tmp_path / "none") == ()


@pytest.mark.parametrize(
    "text", ["not toml", 'scenario = "a"', 'scenario = "a"\nseed = 1\nsignature = ""\nfinding = ""\ntape = "!"']
)
def test_broken_file_is_named(tmp_path, text):
    """A file that is no entry is an error that names it."""
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ValueError, match=r"bad\.toml is no seed file"):
        load_all(tmp_path)


def test_entry_of_a_failed_run():
    """A failed run gives an entry with its options and its tape, on one line each."""
    outcome = failed()
    entry = entry_of(outcome, fix="with a lock")
    assert outcome.finding is not None
    assert entry == Entry(
        scenario="count-unlocked",
        seed=outcome.seed,
        signature=outcome.finding.signature,
        finding=outcome.finding.message,
        fix="with a lock",
        python=outcome.python,
        tape=outcome.tape,
    )


def test_good_run_is_not_kept():
    """There is nothing to keep of a run that went well."""
    with pytest.raises(ValueError, match="seed 1 of quiet did not fail"):
        entry_of(simulate(toy.QUIET, 1))


def test_replay_follows_the_tape():
    """An entry replays the failing run by its tape, even when the seed would not fail."""
    outcome = failed()
    good = next(seed for seed in range(30) if not simulate(toy.UNLOCKED, seed).failed)
    again = replay(attrs.evolve(entry_of(outcome), seed=good), SCENARIOS)
    assert (again.digest, again.finding) == (outcome.digest, outcome.finding)


@pytest.mark.parametrize("scenario", ["sets", "mail"])
def test_replay_falls_back_to_the_seed(scenario):
    """When the program has changed so that the tape does not fit any more, the seed is run."""
    misfit = Tape.of({"schedule": [(99, 1)], "options": [(99, 1)]}).to_json()
    entry = Entry(scenario=scenario, seed=4, signature="s", finding="f", tape=misfit)
    assert replay(entry, SCENARIOS) == simulate(SCENARIOS[scenario], 4)


def test_all_entries_are_replayed(tmp_path):
    """Each entry comes with the outcome of its replay."""
    entry = entry_of(failed())
    save(entry, tmp_path)
    ((replayed, outcome),) = replay_all(SCENARIOS, tmp_path)
    assert (replayed, outcome.failed) == (entry, True)
