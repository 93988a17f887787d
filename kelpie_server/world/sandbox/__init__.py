"""Where the source of tools runs: a process of its own per call, shut in by the kernel. Linux on x86_64 and aarch64.

policy.py    what a call may cost and touch
kernel.py    what this kernel can shut in, and its rules for files (Landlock)
syscalls.py  the system calls that exist for a tool
seccomp.py   those calls as a filter program
python.py    the interpreter that runs tools, and what is installed for it
folders.py   work folders, and the removal of what a dead server left
process.py   a process from its start to its end: pipes, deadline, kill, reaping
child/       what runs inside; stdlib only, as it is loaded before anything is shut in
"""
