"""Small distributed programs, each of them right, and wrong in known ways: the checkers tell which.

They know nothing of the simulator: plain asyncio over TCP, one JSON document per line. What a node keeps on its disk is
a dictionary that its caller hands it again after a crash.

- wire: servers and calls
- register: a register on several nodes, after Attiya, Bar-Noy and Dolev
- store: transactions on lists, on one node
- lock: a lock that a majority of nodes grants
- scenarios: the programs under a nemesis, with their checkers
"""
