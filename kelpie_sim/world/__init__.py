"""What any program touches, simulated. In reading order:

clock.py    the wall clock of a host: skew, drift, jump
host.py     named hosts: start, crash (power loss), restart; whose code is running
"""
