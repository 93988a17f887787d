"""Unique ids that nobody has to be asked for: Maelstrom's workload "unique-ids".

A node counts its lives in a file, safe before it gives out the first id of a life; an id is the node, its life, and a
count within the life. So neither clocks nor chance have a say in it.

Wrong way: "clocked" goes by the second that the wall clock shows, in place of the life.
"""

import itertools
import os
import time

from tests.sim.check.programs.wire import Document, serve

PATH = "/life"


def next_life() -> int:
    """Return the number of this life, and keep it safe. Raise OSError."""
    life = 1
    if os.path.exists(PATH):
        with open(PATH, encoding="ascii") as file:
            life += int(file.read())
    with open(PATH + ".new", "w", encoding="ascii") as file:
        file.write(str(life))
        file.flush()
        os.fsync(file.fileno())
    os.replace(PATH + ".new", PATH)
    root = os.open("/", os.O_RDONLY)
    os.fsync(root)
    os.close(root)
    return life


async def node(name: str, way: str) -> None:
    """Give out ids for ever; exit when the disk does not let it begin."""
    try:
        life = next_life()
    except OSError:
        raise SystemExit(1) from None
    counts: dict[int, itertools.count[int]] = {}

    async def answer(document: Document) -> Document:
        era = int(time.time()) if way == "clocked" else life
        if era not in counts:
            counts.clear()
            counts[era] = itertools.count()
        return {"id": f"{name}/{era}/{next(counts[era])}"}

    await serve(answer)
