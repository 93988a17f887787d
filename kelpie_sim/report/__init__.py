"""What people get to see of runs.

- artifacts: the files that a failure leaves behind: its trace and its seed file
- console: progress, the final table, and the account of a failure
"""
