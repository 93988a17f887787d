"""What people get to see of runs.

- text: how the values of a trace are written for people
- reading: what a kept trace tells: tasks, messages, operations, the lives of hosts
- story: the same in the terminal, a line each
- diff: a failing and a passing run from their first difference on
- neighbours: runs that differ from a failing one in a single choice
- timeline/: a run as one HTML file
- artifacts: the files that a failure leaves behind: its trace, its timeline and its seed file
- coverage: what a campaign covered, as JSON
- console: progress, the final table, and the account of a failure
"""
