"""A memory cgroup: programs that run in it, and the pages of files that they read, share a limited memory.

Both versions of cgroups are supported. With either of them, a file's page belongs to the cgroup that has
read it first. So files must not be in memory when a program of the group starts to read them: drop()
removes them.
"""
import os
import subprocess
import time

from programs import Unavailable

V1 = "/sys/fs/cgroup/memory"
V2 = "/sys/fs/cgroup"
LEFT_MOST = 0.02  # part of a file that may stay in memory after drop()


def write(path, text):
    with open(path, "w") as file:
        file.write(str(text))


def read(path):
    with open(path) as file:
        return file.read()


class MemoryGroup:
    """A context manager that makes a cgroup and removes it. All programs in it must have ended by then."""

    def __init__(self, limit):
        self.limit = limit
        self.version = 1 if os.path.exists(f"{V1}/memory.limit_in_bytes") else 2
        self.folder = f"{V1 if self.version == 1 else V2}/stele-bench-{os.getpid()}"

    def __enter__(self):
        try:
            if self.version == 2 and "memory" not in read(f"{V2}/cgroup.subtree_control").split():
                write(f"{V2}/cgroup.subtree_control", "+memory")
            os.mkdir(self.folder)
            write(self.file("memory.limit_in_bytes", "memory.max"), self.limit)
        except OSError as error:
            self.__exit__()
            raise Unavailable(f"no memory cgroup can be made: {error}") from error
        return self

    def __exit__(self, *_):
        for _ in range(100):  # a process that has just ended may be in the group for a moment
            try:
                os.rmdir(self.folder)
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.05)
                continue
            return

    def file(self, v1, v2):
        return f"{self.folder}/{v1 if self.version == 1 else v2}"

    def argv(self, argv):
        """Returns a command that runs another one in the group."""
        return ["sh", "-c", f"echo $$ > {self.folder}/cgroup.procs && exec \"$@\"", "sh", *argv]

    def kills(self):
        """Returns how many processes of the group were killed because memory was short."""
        text = read(self.file("memory.oom_control", "memory.events"))
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill "))

    def fill(self, path):
        """Fills the group with pages of a file of zeros, so that each page read later takes the place of
        another one. `path` names a file that does not use the disk. It is made if it does not exist."""
        with open(path, "ab") as file:
            file.truncate(self.limit)
        drop(path)
        subprocess.run(self.argv(["cat", path]), stdout=subprocess.DEVNULL, check=True)


def drop(path):
    """Removes a file from memory. Raises Unavailable when another program holds it there."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    resident = subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", path],
                              stdout=subprocess.PIPE, text=True, check=True).stdout
    if int(resident or 0) > LEFT_MOST * os.path.getsize(path):
        raise Unavailable(f"another program holds {path} in memory")
