"""Bugs of order: something is read before, between or after the writes it belongs to."""

import asyncio

from tests.zoo.program import Main, Program, point, together


def reorder(setters: int, *, atomic: bool = False) -> Main:
    """Setters write a and then b; a reader must not see the one without the other."""

    async def main() -> None:
        a, b = 0, 0

        async def write() -> None:
            nonlocal a, b
            await point()
            a = 1
            if not atomic:
                await point()
            b = -1

        async def read() -> None:
            for _ in range(4):
                await point()
            assert (a, b) in ((0, 0), (1, -1))

        await together(*(write() for _ in range(setters)), read())

    return main


def twostage(writers: int, readers: int, *, one_stage: bool = False) -> Main:
    """A value and what is derived from it are each under a lock of their own, so a reader falls in between."""

    async def main() -> None:
        first, second = asyncio.Lock(), asyncio.Lock()
        value, derived = 0, 0

        async def write() -> None:
            nonlocal value, derived
            await point()
            async with first:
                value = 1
                if one_stage:
                    derived = value + 1
            await point()
            async with second:
                derived = value + 1

        async def read() -> None:
            await point()
            async with first:
                seen = value
            if seen == 0:
                return
            await point()
            async with second:
                assert seen + 1 == derived

        await together(*(write() for _ in range(writers)), *(read() for _ in range(readers)))

    return main


async def token_ring() -> None:
    """Three tasks copy a token round, each when its turn should have come."""
    tokens = [0, 0, 0]

    async def pass_on(index: int) -> None:
        for _ in range(2 * index):
            await point()
        token = tokens[index - 1] + (index == 0)
        await point()
        tokens[index] = token

    await together(pass_on(0), pass_on(1), pass_on(2))
    assert [1, 1, 1] == tokens


async def init_after_use() -> None:
    """Fig. 1a of PCT: one task uses what another makes, and nothing makes it wait."""
    made: list[str] = []

    async def make() -> None:
        await point()
        made.append("thing")

    async def use() -> None:
        await point()
        await point()
        assert made

    await together(make(), use())


def narrow_window(others: int) -> Main:
    """Fig. 1b of PCT: a check and its use, one reset that falls in between, and many who only pass by."""

    async def main() -> None:
        thing: str | None = "thing"

        async def use() -> None:
            await point()
            if thing is not None:
                await point()
                assert thing is not None

        async def reset() -> None:
            nonlocal thing
            for _ in range(5):
                await point()
            thing = None

        async def pass_by() -> None:
            for _ in range(5):
                await point()

        await together(use(), reset(), *(pass_by() for _ in range(others)))

    return main


async def starvation() -> None:
    """Fig. 5 of PCT: one step of a task comes after all twenty of another."""
    finished = False

    async def long() -> None:
        nonlocal finished
        for _ in range(20):
            await point()
        finished = True

    async def short() -> None:
        await point()
        assert not finished

    await together(long(), short())


async def uneven_lengths() -> None:
    """SURW's case: of two tasks, one with 25 events, the short one is last; its value must not be the long one's."""
    count = 0

    async def long() -> None:
        nonlocal count
        for _ in range(25):
            await point()
            count += 1

    async def short() -> None:
        await point()
        assert count < 25

    await together(short(), long())


async def rare_overlap() -> None:
    """Four tasks come at different times into a place for three."""
    inside = 0

    async def visit(delay: int) -> None:
        nonlocal inside
        for _ in range(delay):
            await point()
        inside += 1
        assert inside < 4
        await point()
        inside -= 1

    await together(*(visit(3 * number) for number in range(4)))


async def lazy_check() -> None:
    """Three tasks under one lock; the third believes that it is not the last."""
    lock, total = asyncio.Lock(), 0

    async def add(amount: int) -> None:
        nonlocal total
        await point()
        async with lock:
            total += amount

    async def check() -> None:
        await point()
        async with lock:
            assert total < 3

    await together(check(), add(1), add(2))


async def early_sentinel() -> None:
    """Two producers; the one with more to say also says that all is said."""
    queue: asyncio.Queue[int | None] = asyncio.Queue()
    got: list[int] = []

    async def produce(numbers: range) -> None:
        for number in numbers:
            await point()
            queue.put_nowait(number)

    async def produce_last() -> None:
        await produce(range(10, 15))
        queue.put_nowait(None)

    async def consume() -> None:
        while (number := await queue.get()) is not None:
            got.append(number)

    await together(produce(range(3)), produce_last(), consume())
    assert 8 == len(got)


PROGRAMS = (
    *(
        Program(
            name=f"reorder_{count}",
            main=reorder(count - 1),
            fixed=reorder(count - 1, atomic=True),
            tasks=count,
            events=2 * count + 2,
            bug="a reader sees the first of two writes without the second",
        )
        for count in (3, 4, 5, 10, 20)
    ),
    *(
        Program(
            name=name,
            main=twostage(writers, readers),
            fixed=twostage(writers, readers, one_stage=True),
            tasks=writers + readers,
            events=2 * (writers + readers),
            bug="a reader falls between two stages that have a lock each",
        )
        for name, writers, readers in (("twostage", 1, 1), ("twostage_100", 99, 1))
    ),
    Program(name="token_ring", main=token_ring, tasks=3, events=9, bug="the token is copied before it came round"),
    Program(name="init_after_use", main=init_after_use, tasks=2, events=3, bug="used before it is made"),
    Program(name="narrow_window_2", main=narrow_window(0), tasks=2, events=7, bug="reset between check and use"),
    Program(
        name="narrow_window_20",
        main=narrow_window(18),
        tasks=20,
        events=97,
        bug="reset between check and use, in a crowd",
    ),
    Program(name="starvation", main=starvation, tasks=2, events=21, bug="one step after all twenty of another task"),
    Program(name="uneven_lengths", main=uneven_lengths, tasks=2, events=26, bug="the shorter task is last"),
    Program(name="rare_overlap", main=rare_overlap, tasks=4, events=22, bug="four at once in a place for three"),
    Program(name="lazy_check", main=lazy_check, tasks=3, events=3, bug="who checks believes that it is not the last"),
    Program(name="early_sentinel", main=early_sentinel, tasks=3, events=9, bug="one producer ends it for both"),
)
