"""What keeps a program that a model wrote from doing harm; run as a script, it tests one such program.

In, on standard input: JSON with the program, its tests, a token and limits. Out, on standard output: the
token, if the tests came to their end; nothing in any other case. Once confined, this process and what runs
in it

- has so many seconds of CPU time and bytes of memory (`setrlimit`), and few open files;
- has no network: a network namespace of its own where the system grants one, and no sockets (seccomp);
- starts no process, signals none, traces none, changes no file's owner or mode (seccomp);
- writes files in its own folder alone, and reads those of Python and the system alone (Landlock);
- is told by Python before the kernel would (an audit hook), which is all there is where the kernel is not
  Linux, or too old: enough against accidents, not against intent.

It imports nothing of Solon.
"""

import ctypes
import json
import os
import platform
import resource
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

_FILES = 64
_FILE_BYTES = 64 * 2**20

# Numbers of system calls, which differ between processors: x86-64's, then those of 64-bit ARM.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_REFUSED = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "io_uring_setup": (425, 425), "fork": (57, None), "vfork": (58, None), "execve": (59, 221),
    "execveat": (322, 281), "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
    "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "bpf": (321, 280), "keyctl": (250, 219),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
}  # fmt: skip
_CLONE, _CLONE3 = (56, 220), (435, 435)
_CLONE_THREAD, _CLONE_NEWUSER, _CLONE_NEWNET = 0x10000, 0x10000000, 0x40000000
_EPERM, _ENOSYS = 1, 38
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22

_LANDLOCK_READ = 0b1101  # execute, read a file, read a folder
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc", "/dev", "/proc/self", "/proc/cpuinfo", "/proc/meminfo")

_REFUSED_EVENTS = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.kill",
    "os.chmod", "os.chown", "pty.", "ctypes.",
)  # fmt: skip
_WRITING_EVENTS = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate")


def confine(folder: str, *, seconds: float, memory_mb: int) -> dict[str, bool]:
    """Confine this process for good; which of the kernel's means hold here."""
    _limit(seconds, memory_mb)
    held = hold_by_kernel(folder)
    sys.addaudithook(_watch(os.path.realpath(folder)))
    return held


def hold_by_kernel(folder: str) -> dict[str, bool]:
    """No network, processes and signals, and files of `folder` alone; which of it the kernel grants."""
    if sys.platform != "linux":
        return {"namespace": False, "landlock": False, "seccomp": False}
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock = _landlock(libc, folder)
    return {"namespace": namespace, "landlock": landlock, "seccomp": _seccomp(libc)}


def _limit(seconds: float, memory_mb: int) -> None:
    cpu = int(seconds) + 1
    limits = {
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_AS: memory_mb * 2**20,
        resource.RLIMIT_FSIZE: _FILE_BYTES,
        resource.RLIMIT_NOFILE: _FILES,
        resource.RLIMIT_CORE: 0,
    }
    for which, most in limits.items():
        resource.setrlimit(which, (most, most))


def _seccomp(libc: ctypes.CDLL) -> bool:
    """Refuse system calls by a filter in the kernel, which nothing in this process can take off again."""
    if platform.machine() not in _ARCHITECTURES:
        return False
    program = b"".join(_filter(*_ARCHITECTURES[platform.machine()]))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    loaded = Program(len(program) // 8, program)
    return libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(loaded), 0, 0) == 0


def _filter(architecture: int, column: int) -> Iterator[bytes]:
    """Classic BPF over `struct seccomp_data`: number at 0, architecture at 4, the first argument at 16."""

    def give(errno: int) -> bytes:
        return struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | errno if errno else 0x7FFF0000)

    def load(place: int) -> bytes:
        return struct.pack("HBBI", 0x20, 0, 0, place)

    def jump(kind: int, value: int, *, then: int, otherwise: int) -> bytes:
        return struct.pack("HBBI", kind, then, otherwise, value)

    equal, at_least, any_bit = 0x15, 0x35, 0x45
    yield from (load(4), jump(equal, architecture, then=1, otherwise=0), give(_EPERM), load(0))
    # Calls of the 32-bit ABI of x86-64 have numbers of their own, from here on.
    yield from (jump(at_least, 0x40000000, then=0, otherwise=1), give(_EPERM))
    for numbers in _REFUSED.values():
        if numbers[column] is not None:
            yield from (jump(equal, numbers[column], then=0, otherwise=1), give(_EPERM))
    # Without clone3, whose flags a filter cannot see, the C library takes clone.
    yield from (jump(equal, _CLONE3[column], then=0, otherwise=1), give(_ENOSYS))
    yield from (jump(equal, _CLONE[column], then=0, otherwise=3), load(16))
    yield from (jump(any_bit, _CLONE_THREAD, then=1, otherwise=0), give(_EPERM), give(0))


def _landlock(libc: ctypes.CDLL, folder: str) -> bool:
    """Writing in `folder` alone, reading there and in Python's and the system's folders."""
    libc.syscall.restype = ctypes.c_long
    version = libc.syscall(_LANDLOCK_CREATE, None, 0, 1)
    if version < 1:
        return False
    everything = (1 << {1: 13, 2: 14}.get(version, 15)) - 1
    rules = libc.syscall(_LANDLOCK_CREATE, struct.pack("Q", everything), 8, 0)
    if rules < 0:
        return False
    reading = {*_SYSTEM, sys.prefix, sys.base_prefix, *filter(None, sys.path)}
    _allow(libc, rules, [folder], everything)
    _allow(libc, rules, sorted(reading), _LANDLOCK_READ)
    # The null device is written to by those who want silence.
    _allow(libc, rules, ["/dev/null"], 0b110)
    return libc.syscall(_LANDLOCK_RESTRICT, rules, 0) == 0


def _allow(libc: ctypes.CDLL, rules: int, paths: Sequence[str], rights: int) -> None:
    for path in paths:
        try:
            opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        # A rule for a file may not have the rights that only folders have.
        granted = rights if os.path.isdir(path) else rights & 0b111
        libc.syscall(_LANDLOCK_ADD, rules, 1, struct.pack("=Qi", granted, opened), 0)
        os.close(opened)


def _watch(folder: str) -> Callable[[str, tuple], None]:
    def hook(event: str, arguments: tuple) -> None:
        if event.startswith(_REFUSED_EVENTS) and not _is_local_pair(event, arguments):
            raise PermissionError(f"{event} is not for programs under test")
        wants_to_write = event.startswith(_WRITING_EVENTS) or (event == "open" and _writes(arguments))
        if wants_to_write and not _inside(arguments[0], folder):
            raise PermissionError(f"{event}: files are written in the working folder alone")

    return hook


def _is_local_pair(event: str, arguments: tuple) -> bool:
    """Whether a socket is one of those that the program's own threads wake each other by, as asyncio's do."""
    return event == "socket.__new__" and arguments[1] == getattr(socket, "AF_UNIX", None)


def _writes(arguments: tuple) -> bool:
    mode, flags = arguments[1], arguments[2]
    if isinstance(mode, str):
        return any(mark in mode for mark in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))


def _inside(path: int | str | bytes, folder: str) -> bool:
    if isinstance(path, int):
        return True
    full = os.path.realpath(os.fsdecode(path))
    return full == os.devnull or os.path.commonpath([full, folder]) == folder


def _program(job: Mapping[str, str], told: int) -> None:
    """The program, then its tests, in one namespace; the token is told where both come to their end."""
    namespace: dict[str, object] = {"__name__": "program", "__builtins__": __builtins__}
    exec(compile(job["program"], "<program>", "exec"), namespace)  # noqa: S102
    exec(compile(job["tests"], "<tests>", "exec"), namespace)  # noqa: S102
    os.write(told, job["token"].encode())


def main() -> None:
    job = json.load(sys.stdin)
    told = os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    held = confine(job["folder"], seconds=job["seconds"], memory_mb=job["memory_mb"])
    if job["program"] is None:
        os.write(told, json.dumps(held).encode())
        return
    _program(job, told)


if __name__ == "__main__":
    main()
