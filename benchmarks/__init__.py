"""Speed and power of search, as figures with a bound, each beside its peers in the same run.

In reading order:

figure      a measured number with its bound
timing      CPU seconds of work in this process and of peers in processes of their own
workloads   what loops are measured with: plain asyncio
loops       the loops that are measured, ours and those of peers, each in a process of its own
endurance   a million trivial seeds in one process
engine      how quick the engine is
zoo         how many schedules the search needs to find known bugs
shrinking   how small failures become, and in how many runs
shrinking_ablations  the same for failures of Kelpie with a guard taken away
stack       the whole stack: uvicorn, Starlette and real clients, per seed
disk        SQLite on the simulated disk: crashes that lose nothing, and those that have to
checkers    linearizability and serializability against brute force, and their speed
ladder      determinism: divergences over many seeds, and planted leaks
service     the service: CPU per operation, waits, what a long past costs, against a bare server and V1
kills       the real server, killed under load: what is lost, how soon it is back
fuzz        requests made from the OpenAPI document: what is answered wrongly
http_load   a client that costs little
bare_server what the service is measured against
populate    databases with a long past
__main__    runs the subjects that are asked for, and prints their figures
"""
