import os
import subprocess
import sys

from service.dispatcher.leadership.holder import is_dead, this_process

NAME = "from service.dispatcher.leadership.holder import this_process; print(this_process())"


def test_this_process_is_not_dead() -> None:
    assert not is_dead(this_process())


def test_an_ended_process_of_this_host_is_dead() -> None:
    done = subprocess.run([sys.executable, "-c", NAME], capture_output=True, text=True, check=True)
    assert is_dead(done.stdout.strip())


def test_a_reused_process_id_is_not_taken_for_the_holder() -> None:
    host, pid, started = this_process().split(" ")
    assert pid == str(os.getpid())
    assert is_dead(f"{host} {pid} {int(started) - 1}")


def test_nothing_is_known_about_another_host() -> None:
    _, pid, _ = this_process().split(" ")
    assert not is_dead(f"elsewhere/boot/pid:[1] {pid} 1")
    assert not is_dead("")
