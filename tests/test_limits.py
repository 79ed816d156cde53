"""How many calls an endpoint gets at once: as many as it keeps up with."""

from __future__ import annotations

import asyncio

from skillmix_eval.limits import Limit


def test_it_doubles_with_each_round_up_to_its_most() -> None:
    """While every call is answered, each round of answers doubles what may be in flight."""
    limit, seen = Limit(200), []
    for _ in range(4):
        seen.append(int(limit.now))
        for _ in range(seen[-1]):
            limit.answered()
    assert seen == [64, 128, 200, 200]


def test_an_engine_here_has_all_from_the_start() -> None:
    """Without an endpoint there is nothing to find out."""
    assert Limit(100, adaptive=False).now == 100


def test_a_round_of_refusals_halves_it_once() -> None:
    """Calls that were sent together and turned away together are one sign; the next round's are another."""

    async def rounds() -> list[float]:
        limit, seen = Limit(64, adaptive=False), []
        for _ in range(3):
            sent = asyncio.get_running_loop().time()
            for _ in range(5):
                limit.overloaded(sent, 0.0)
            seen.append(limit.now)
            await asyncio.sleep(0.001)
        return seen

    assert asyncio.run(rounds()) == [32, 16, 8]


def test_it_never_closes_and_grows_back_slowly() -> None:
    """One call stays possible, and after a refusal a whole round of answers adds one."""

    async def fall() -> tuple[float, float]:
        limit = Limit(2, adaptive=False)
        for _ in range(9):
            limit.overloaded(asyncio.get_running_loop().time(), 0.0)
        least = limit.now
        limit.answered()
        return least, limit.now

    assert asyncio.run(fall()) == (1, 2)


def test_it_waits_as_long_as_the_server_asks() -> None:
    """After a refusal that names seconds, no call begins before they are over."""

    async def wait() -> float:
        limit, loop = Limit(4), asyncio.get_running_loop()
        began = loop.time()
        limit.overloaded(began, 0.05)
        async with limit as sent:
            return sent - began

    assert asyncio.run(wait()) >= 0.05


def test_no_more_than_the_limit_and_nobody_is_forgotten() -> None:
    """At most `most` calls are in flight, all get their turn, and a cancelled one takes no place with it."""

    async def crowd() -> tuple[int, int]:
        limit, inside, most, done = Limit(3), 0, 0, 0

        async def call() -> None:
            nonlocal inside, most, done
            async with limit:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1
                done += 1

        tasks = [asyncio.create_task(call()) for _ in range(40)]
        await asyncio.sleep(0)
        for task in tasks[10:20]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return most, done

    assert asyncio.run(crowd()) == (3, 30)


def test_an_endpoint_that_is_down() -> None:
    """Faults without an answer between leave one call at a time, then none; an answer opens it again."""

    async def down() -> tuple[list[bool], float, float]:
        limit = Limit(100, patience=0.04)
        over = [limit.failed() for _ in range(12)]
        least = limit.now
        await asyncio.sleep(0.05)
        over.append(limit.failed())
        for _ in range(5):
            limit.answered()
        return over, least, limit.now

    assert asyncio.run(down()) == ([False] * 12 + [True], 1, 6)
