"""Answers under way end with their key, and one look is for all of them."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from service.auth import watch
from service.auth.watch import Watch


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(watch, "LOOK_AGAIN_SECONDS", 0.01)
    yield


class Keys:
    """Which are valid, and what was asked of them."""

    def __init__(self) -> None:
        self.valid = {"one", "two"}
        self.looks: list[set[str]] = []
        self.away = False

    def __call__(self, asked: set[str]) -> set[str]:
        self.looks.append(asked)
        if self.away:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return asked & self.valid

    async def looked(self, times: int) -> None:
        before = len(self.looks)
        async with asyncio.timeout(60):
            while len(self.looks) < before + times:
                await asyncio.sleep(0.001)


def test_silent_answers_of_a_revoked_key_end_and_others_do_not() -> None:
    keys = Keys()
    looking = Watch(keys)
    ended: list[str] = []

    async def answer(key: str) -> None:
        with looking.over(key, may_be_cut=True) as watched:
            await asyncio.Event().wait()
        assert watched.revoked
        ended.append(key)

    async def body() -> None:
        tasks = [asyncio.create_task(answer(key)) for key in ["one"] * 20 + ["two"] * 20]
        await keys.looked(3)
        assert all(look == {"one", "two"} for look in keys.looks)  # one for all 40
        keys.away = True
        keys.valid.discard("one")
        await keys.looked(3)
        assert not ended  # nothing is known of it
        keys.away = False
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks[:20])
        assert ended == ["one"] * 20
        for task in tasks[20:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(60):
            while len(asyncio.all_tasks()) > 1:  # with nothing under way nobody looks
                await asyncio.sleep(0.001)

    asyncio.run(body())


def test_a_change_is_carried_out_to_its_end() -> None:
    keys = Keys()
    looking = Watch(keys)

    async def body() -> None:
        with looking.over("one", may_be_cut=False) as watched:
            keys.valid.clear()
            await keys.looked(2)
            await asyncio.sleep(0)
            async with asyncio.timeout(60):
                while not watched.revoked:
                    await asyncio.sleep(0.001)

    asyncio.run(body())
