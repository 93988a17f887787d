"""The real far sides of the core's ports.

clock.py              time
entropy.py            randomness
language_model/       models: the builtin echo model, OpenAI, Anthropic, whatever speaks chat completions
tools.py              running tools
sandbox/              where their source runs: a process of its own per call, shut in by the kernel
store_sqlite.py       the default store: one SQLite file, no setup
sqlite_runner.py      where its work runs: on a thread of its own, or at once under simulation
sqlite_database.py    its connection: reads, scans, group commits
sqlite_backup.py      copies of it while it is in use
sqlite_schema.py      its tables: numbered migrations, forward only
sqlite_errors.py      what a failure of SQLite means to a caller
"""
