"""Finds out what keeps a loop from serving its clients, from the kernel's trace of one processor.

A client may wait because of the loop itself, another thread of the server, another program, the kernel,
or the host of a virtual machine. tracefs shows which thread had the processor whenever the loop needed
it. That needs root and a kernel with these events.

A turn begins when the loop is woken, or leaves epoll_wait with something to do. It ends when the loop
calls epoll_wait again. The time of a turn has four parts: the loop had the processor, other threads of
the server had it, the loop was blocked, and the rest, when others had the processor.
"""
import os
import re

from programs import Unavailable

TRACEFS = "/sys/kernel/tracing"
BUFFER_KB = 128 * 1024
EVENTS = ["sched/sched_switch", "sched/sched_waking", "sched/sched_stat_runtime",
          "syscalls/sys_enter_epoll_wait", "syscalls/sys_exit_epoll_wait"]
LINE = re.compile(r"\s*(?:.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+\.\d+): (\w+)(?:\(|: | -> )(.*)")
SWITCH = re.compile(r"prev_comm=.* prev_pid=(\d+) prev_prio=\d+ prev_state=(\S+) ==> "
                    r"next_comm=(.*) next_pid=(\d+) ")
RUNTIME = re.compile(r"comm=.* pid=(\d+) runtime=(\d+)")


class Trace:
    """A context manager that records what the threads of a processor do. `loop` is the loop's thread id."""

    def __init__(self, processor, loop):
        self.processor, self.loop = processor, loop
        self.folder = f"{TRACEFS}/instances/stele-bench"

    def _write(self, name, text):
        try:
            with open(f"{self.folder}/{name}", "w") as file:
                file.write(text)
        except OSError as error:
            raise Unavailable(f"the kernel does not trace {name}: {error.strerror}") from error

    def __enter__(self):
        try:
            os.makedirs(self.folder, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"no tracefs that may be used at {TRACEFS}") from error
        try:
            self._write("tracing_on", "0")
            self._write("trace_clock", "mono")
            self._write("buffer_size_kb", str(BUFFER_KB))
            self._write("trace", "")
            self._write("events/sched/sched_waking/filter", f"pid=={self.loop}")
            for event in EVENTS[3:]:
                self._write(f"events/{event}/filter", f"common_pid=={self.loop}")
            for event in EVENTS:
                self._write(f"events/{event}/enable", "1")
            self._write("tracing_on", "1")
        except Unavailable:
            self.__exit__()
            raise
        return self

    def stop(self):
        """Ends the recording. Returns its lines."""
        self._write("tracing_on", "0")
        with open(f"{self.folder}/trace", errors="replace") as file:
            for line in file:
                if line.startswith("# entries-in-buffer"):
                    kept, written = re.search(r"(\d+)/(\d+)", line).groups()
                    if kept != written:
                        raise Unavailable("more was traced than there was room for")
                elif not line.startswith("#"):
                    yield line

    def __exit__(self, *_):
        try:
            self._write("tracing_on", "0")
            for event in EVENTS:
                self._write(f"events/{event}/enable", "0")
            os.rmdir(self.folder)
        except (Unavailable, OSError):
            pass


class Turn:
    """A turn: the seconds of its parts, its beginning and its end."""

    def __init__(self, begin):
        self.begin = self.end = begin
        self.own = self.other_threads = self.blocked = 0.0

    @property
    def ours(self):
        return self.own + self.other_threads + self.blocked


def turns_of(trace, names):
    """Returns the turns in a trace. `names` are the names of the server's other threads."""
    turn = None
    in_epoll = False
    # The state of the loop: it runs, needs the processor, is blocked, or waits in epoll_wait.
    state, since = "unknown", 0.0
    running, name, runtime = None, "", 0.0  # without the time that the host took
    for line in trace.stop():
        match = LINE.match(line)
        if not match:
            continue
        pid, processor, now, event, rest = (int(match[1]), int(match[2]), float(match[3]),
                                            match[4], match[5])
        if event == "sched_stat_runtime":
            told = RUNTIME.match(rest)
            if processor == trace.processor and told and int(told[1]) == running:
                runtime += int(told[2]) / 1e9
        elif event == "sched_switch" and processor == trace.processor:
            told = SWITCH.match(rest + " ")
            if not told:
                continue
            previous, following = int(told[1]), int(told[4])
            if turn and state == "runs" and previous == trace.loop:
                turn.own += now - since
            elif turn and state == "wants" and name in names:
                turn.other_threads += min(runtime, now - since)
            if previous == trace.loop:
                state = ("wants" if told[2].startswith("R") else
                         "waits" if in_epoll else "blocked")
                since = now
            if following == trace.loop:
                if turn and state == "blocked":
                    turn.blocked += now - since
                state, since = "runs", now
            running, name, runtime = following, told[3], 0.0
        elif event == "sched_waking":
            if state == "blocked" and turn:
                turn.blocked += now - since
            if state in ("waits", "blocked"):
                turn = turn or Turn(now)
                state, since = "wants", now
        elif event == "sys_epoll_wait" and pid == trace.loop:
            in_epoll = rest.startswith("epfd")
            if in_epoll and turn:
                turn.own += now - since if state == "runs" else 0
                turn.end = now
                yield turn
                turn = None
            elif not in_epoll and not turn:
                turn = Turn(now)
                if state == "runs":
                    since = now


def longest(turns, part):
    return max((part(turn) for turn in turns), default=0.0)


def percentile(turns, part, percent):
    values = sorted(part(turn) for turn in turns)
    return values[min(len(values) - 1, int(len(values) * percent / 100))] if values else 0.0
