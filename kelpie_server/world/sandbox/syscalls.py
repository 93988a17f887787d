"""The system calls that a tool's process may make, with their numbers on x86_64 and aarch64.

What is not named here does not exist for a tool (ENOSYS): so a call that a later kernel brings is refused until
somebody has looked at it. Calls that reach beyond the process are not here, or are guarded in seccomp.py.
"""

_PLAIN = """
read 0 63; write 1 64; readv 19 65; writev 20 66; pread64 17 67; pwrite64 18 68; preadv 295 69; pwritev 296 70
preadv2 327 286; pwritev2 328 287; close 3 57; close_range 436 436; lseek 8 62; dup 32 23; dup2 33 -; dup3 292 24
pipe 22 -; pipe2 293 59; stat 4 -; fstat 5 80; lstat 6 -; newfstatat 262 79; statx 332 291; statfs 137 43
fstatfs 138 44; access 21 -; faccessat 269 48; faccessat2 439 439; getdents64 217 61; getcwd 79 17; chdir 80 49
fchdir 81 50; rename 82 -; renameat 264 38; renameat2 316 276; mkdir 83 -; mkdirat 258 34; rmdir 84 -; creat 85 -
link 86 -; linkat 265 37; unlink 87 -; unlinkat 263 35; symlink 88 -; symlinkat 266 36; readlink 89 -
readlinkat 267 78; umask 95 166; flock 73 32; fsync 74 82; fdatasync 75 83; ftruncate 77 46; fallocate 285 47
fadvise64 221 223; sendfile 40 71; splice 275 76; tee 276 77; copy_file_range 326 285; sync_file_range 277 84
poll 7 -; ppoll 271 73; select 23 -; pselect6 270 72; epoll_create 213 -; epoll_create1 291 20; epoll_ctl 233 21
epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2 441 441; eventfd 284 -; eventfd2 290 19; signalfd 282 -
signalfd4 289 74; timerfd_create 283 85; timerfd_settime 286 86; timerfd_gettime 287 87
mmap 9 222; mprotect 10 226; munmap 11 215; brk 12 214; mremap 25 216; msync 26 227; mincore 27 232; madvise 28 233
mlock 149 228; munlock 150 229; membarrier 324 283
rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139; rt_sigpending 127 136; rt_sigsuspend 130 133
rt_sigtimedwait 128 137; sigaltstack 131 132; pause 34 -; alarm 37 -; getitimer 36 102; setitimer 38 103
timer_create 222 107; timer_settime 223 110; timer_gettime 224 108; timer_getoverrun 225 109; timer_delete 226 111
nanosleep 35 101; clock_nanosleep 230 115; clock_gettime 228 113; clock_getres 229 114; gettimeofday 96 169; time 201 -
times 100 153; sched_yield 24 124; sched_getparam 143 121; sched_getscheduler 145 120; sched_get_priority_max 146 125
sched_get_priority_min 147 126; sched_rr_get_interval 148 127; sched_getaffinity 204 123; getpriority 140 141
getcpu 309 168; fork 57 -; vfork 58 -; execve 59 221; exit 60 93; exit_group 231 94; wait4 61 260; waitid 247 95
getpid 39 172; getppid 110 173; gettid 186 178; getpgrp 111 -; getpgid 121 155; getsid 124 156; getuid 102 174
getgid 104 176; geteuid 107 175; getegid 108 177; getresuid 118 148; getresgid 120 150; getgroups 115 158
capget 125 90; uname 63 160; sysinfo 99 179; getrlimit 97 163; setrlimit 160 164; getrusage 98 165; getrandom 318 278
futex 202 98; futex_waitv 449 449; set_tid_address 218 96; set_robust_list 273 99; rseq 334 293
restart_syscall 219 128; arch_prctl 158 -; shutdown 48 210; sendto 44 206; recvfrom 45 207; sendmsg 46 211
recvmsg 47 212; sendmmsg 307 269; recvmmsg 299 243; getsockname 51 204; getpeername 52 205; setsockopt 54 208
getsockopt 55 209
"""
# Opening the network to the process.
_NETWORK = "connect 42 203; bind 49 200; listen 50 201; accept 43 202; accept4 288 242"
# Kernels' file rules (Landlock) leave these alone, so they are for processes that own nothing but their work folder.
_OWNER = """
chmod 90 -; fchmod 91 52; fchmodat 268 53; fchmodat2 452 452; utime 132 -; utimes 235 -; utimensat 280 88
futimesat 261 -; chown 92 -; lchown 94 -; fchown 93 55; fchownat 260 54
"""
# Refused with "not permitted" rather than "not there": programs ask for them, and the answer must not mislead.
_REFUSED = """
setsid 112 157; setpgid 109 154; setuid 105 146; setgid 106 144; setgroups 116 159; ptrace 101 117
"""
# Allowed for some arguments only: seccomp.py says which.
_GUARDED = """
clone 56 220; clone3 435 435; socket 41 198; socketpair 53 199; prctl 157 167; prlimit64 302 261; fcntl 72 25
ioctl 16 29; open 2 -; openat 257 56; truncate 76 45; kill 62 129; tkill 200 130; tgkill 234 131
"""
X86_64, AARCH64 = "x86_64", "aarch64"
_COLUMN = {X86_64: 1, AARCH64: 2}


def numbers(machine: str) -> dict[str, dict[str, int]]:
    """Return, per group (plain, network, owner, refused, guarded), the numbers of its calls on that machine.

    Raises KeyError for a machine that nobody has looked at.
    """
    column = _COLUMN[machine]
    texts = {"plain": _PLAIN, "network": _NETWORK, "owner": _OWNER, "refused": _REFUSED, "guarded": _GUARDED}
    return {group: _column(text, column) for group, text in texts.items()}


def _column(text: str, column: int) -> dict[str, int]:
    rows = [row.split() for line in text.strip().splitlines() for row in line.split(";")]
    return {row[0]: int(row[column]) for row in rows if row[column] != "-"}
