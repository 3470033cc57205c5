"""What the disk itself reaches, measured by fio: random reads of 4 KiB from a file.

The reads are those of threads that each have one in flight (`psync`). They bypass the page cache
(direct=1), or go through it as those of a server.
"""
import json

from programs import Unavailable, run, shown


def random_reads(path, in_flight, seconds, direct=True, before=None):
    """Returns reads a second, median and 99th percentile of the time of a read in us, and the command.
    `before` is a function that returns the command to run instead, such as one that runs fio in a
    cgroup."""
    argv = ["fio", "--name=random", f"--filename={path}", "--readonly", "--rw=randread", "--bs=4k",
            "--norandommap", "--ioengine=psync", "--thread", f"--numjobs={in_flight}",
            "--group_reporting", f"--direct={int(direct)}", "--time_based", f"--runtime={seconds}",
            "--output-format=json"]
    text = run(before(argv) if before else argv)
    try:
        found = json.loads(text[text.index("{"):])["jobs"][0]["read"]
    except (ValueError, LookupError) as error:
        raise Unavailable(f"fio: strange output: {error}") from error
    times = found["clat_ns"]["percentile"]
    return found["iops"], times["50.000000"] / 1000, times["99.000000"] / 1000, shown(argv)
