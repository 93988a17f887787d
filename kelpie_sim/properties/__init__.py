"""Hypothesis drives the world: one shrinker over data, order and faults.

Needs the package `hypothesis`, which nothing else in here needs: this package is imported by those who use it, and by
nobody else. In reading order:

drawing      schedules and fault plans, as strategies
simulated    `@given` tests whose body is a coroutine in a simulated world
pieces       a world that runs in pieces, with the test's own code in between
concurrent   state machines whose rules run at the same time
"""
