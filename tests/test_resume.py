"""Killed, interrupted, out of room, two at once: nothing paid for is lost, or paid for twice."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from skillmix_eval.errors import STOPPED
from skillmix_eval.store import Store

from .server import Call, Server, command, environment, one_sentence, run_files, run_options, skillmix

CONNECTIONS = 4
WORKERS = 3 * CONNECTIONS  # as many as both servers take, and half as many again that write down
QUESTIONS = ["-k", "2,3", "-n", 10, "--max-connections", CONNECTIONS, "--judge-max-connections", CONNECTIONS]
CALLS = 60


def start(server: Server, folder: Path, out: str) -> subprocess.Popen[str]:
    """Start a run."""
    return subprocess.Popen(
        command("run", *run_options(server, folder), *QUESTIONS, "--out", out),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(server: Server, keys: int, process: subprocess.Popen[str]) -> None:
    """Wait until the server has seen so many different calls, or the process has ended."""
    while len({c.key for c in list(server.calls)}) < keys and process.poll() is None:
        time.sleep(0.002)


def stop(process: subprocess.Popen[str], how: signal.Signals) -> None:
    """Send a signal and wait until the process is gone."""
    process.send_signal(how)
    process.wait(120)


def paid_twice(calls: list[Call]) -> int:
    """Return how many calls were made again.

    A worker asks nothing more before its answer is on disk, so a kill may cost one call per worker.
    """
    return len(calls) - len({call.key for call in calls})


def kill_and_resume(folder: Path, kills: int, seed: int) -> None:
    """Kill a run at random instants, let it finish, and compare it with one from another store."""
    rng = random.Random(seed)  # noqa: S311
    with Server(student_s=0.03, judge_s=0.03) as server:
        for keys in sorted(rng.choices(range(CALLS), k=kills)):
            process = start(server, folder, "killed")
            wait_for(server, keys, process)
            time.sleep(rng.random() * 0.05)
            stop(process, signal.SIGKILL)
            process.communicate()
        last = start(server, folder, "killed")
        _, err = last.communicate(timeout=300)
        assert (last.returncode, err) == (0, "")
        assert len({c.key for c in server.calls}) == CALLS
        assert paid_twice(server.calls) <= kills * WORKERS
        (folder / "store.sqlite").rename(folder / "other.sqlite")
        for left in folder.glob("store.sqlite-*"):
            left.unlink()
        server.seconds = {"student": 0, "judge": 0}
        fresh = start(server, folder, "undisturbed")
        assert fresh.communicate(timeout=300)[1] == ""
        assert run_files(folder / "killed") == run_files(folder / "undisturbed")


def test_killed_a_few_times(tmp_path: Path) -> None:
    """A run killed at random instants and run again pays only for what was in flight, and ends the same."""
    kill_and_resume(tmp_path, 5, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_killed_many_times(tmp_path: Path, seed: int) -> None:
    """The same holds for ten kills of one run."""
    kill_and_resume(tmp_path, 10, seed)


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, kind: signal.Signals) -> None:
    """Ctrl-C or a SIGTERM ends a run with code 130 and one line on how to go on; answers are kept."""
    with Server(student_s=0.03, judge_s=0.03) as server:
        process = start(server, tmp_path, "run")
        wait_for(server, 25, process)
        stop(process, kind)
        out, err = process.communicate()
        assert (process.returncode, out) == (130, "")
        assert err.strip() == STOPPED
        again = start(server, tmp_path, "run")
        assert again.communicate(timeout=300)[1] == ""
        assert again.returncode == 0
        assert paid_twice(server.calls) <= WORKERS
    run_files(tmp_path / "run")


def test_killed_while_writing(tmp_path: Path) -> None:
    """Half-written files that a kill left behind are no obstacle, and are gone afterwards."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.yaml.part").write_text("stud")
    with Server() as server:
        process = start(server, tmp_path, "run")
        assert process.communicate(timeout=300)[1] == ""
    run_files(tmp_path / "run")


def test_two_at_once(tmp_path: Path) -> None:
    """Two processes that share a new store both finish, with the same results."""
    with Server(student_s=0.01, judge_s=0.01) as server:
        both = [start(server, tmp_path, name) for name in ("one", "two")]
        for process in both:
            _, err = process.communicate(timeout=300)
            assert (process.returncode, err) == (0, "")
        assert len({c.key for c in server.calls}) == CALLS
    assert run_files(tmp_path / "one") == run_files(tmp_path / "two")


def test_no_room_for_answers(tmp_path: Path) -> None:
    """When the store can grow no more, the run stops paying and says so; with room it goes on."""
    with Server(student_s=0.01, judge_s=0.01) as server:
        options = [*run_options(server, tmp_path), *QUESTIONS, "--out", "run"]
        done = subprocess.run(
            command("run", *options),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)),
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.count("\n") == 1
        assert "cannot keep answers any more" in done.stderr
        paid = len(server.calls)
        assert paid < CALLS
        Store(tmp_path / "store.sqlite").close()
        assert skillmix("run", *options, cwd=tmp_path).code == 0
        assert len(server.calls) <= CALLS + WORKERS
    run_files(tmp_path / "run")


@pytest.mark.parametrize("option", ["--store", "--out"])
def test_nowhere_to_write(tmp_path: Path, option: str) -> None:
    """A store or a run folder that cannot be made is found out before a call is paid for."""
    (tmp_path / "file").write_text("")
    with Server() as server:
        options = [*run_options(server, tmp_path), "-n", 1, "-k", 2, "--out", "run"]
        done = skillmix("run", *options, option, "file/below", cwd=tmp_path)
        assert done.code == 1
        one_sentence(done, "file")
        assert server.calls == []


def test_a_store_of_the_future(tmp_path: Path) -> None:
    """A store that a newer version wrote is one sentence, and no call."""
    with Server() as server:
        options = [*run_options(server, tmp_path), "-n", 1, "-k", 2, "--out", "run"]
        store = Store(tmp_path / "store.sqlite")
        store._reader.execute("PRAGMA user_version = 99")
        store.close()
        done = skillmix("run", *options, cwd=tmp_path)
        assert done.code == 1
        one_sentence(done, "newer", "--store")
        assert server.calls == []
