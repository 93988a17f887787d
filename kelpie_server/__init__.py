"""Kelpie as a service: the core's use cases over HTTP, on real far sides. Never imports the simulator.

world/    the real far sides of the core's ports
"""
