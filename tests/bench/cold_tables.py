"""The tables and the plot of the section `cold` of docs/benchmarks.md.

They are drawn from the saved figures only, so they can be drawn again without measuring.
"""
import os
import re

from data_files import CACHE, REDIS
from report import (BLUE, ORANGE, PURPLE, TEAL, Figures, Targets, at_least, at_most, bars, command_rows, kept,
                    missing_list, publish_figures, size_name, table, times)

TSV = f"{CACHE}/cold.tsv"

# Subjects.
STELE, TWO_LOOPS = "Stele, one loop", "Stele, two loops"
RESIDENT = "Stele, all in memory"
IN_PROCESS = "stele bench"
DISK, BUFFERED = "fio", "fio through the page cache"
LOOKS = {STELE: (BLUE, PURPLE), TWO_LOOPS: (TEAL, ORANGE)}  # of the median and of p99

# Loads of the clients beside the hot clients, with the options of the load generator.
HOT_GETS, COLD_GETS = "64 with hot GETs", "64 with cold GETs"
LOADS = {
    HOT_GETS: ["--cold", "0"],
    COLD_GETS: ["--cold", "100"],
    "8 with cold MGETs of 100": ["--connections", "8", "--mget", "100"],
    "16 with 16 cold GETs in flight": ["--connections", "16", "--pipeline", "16"],
}
SHARES = [0, 1, 10, 50, 100]  # percent of the lookups of 64 clients that are for cold keys
ONE_GET, MGET = "one cold GET", "one MGET of 100 cold keys"
IN_FLIGHT = [16, 64]
PIPELINE = 16

PERCENTILES = ["p50", "p99", "p99.9", "max"]
RATE, KILLS = "lookups a second", "killed for memory"
P50_MOST, P99_MOST = 1.5, 3  # beside cold clients, compared with beside hot ones
DISK_LEAST = 0.8  # cold lookups, compared with fio
MGET_MOST = 10  # time of an MGET of 100 cold keys, compared with one read of the disk


def metric(load, name):
    return f"{load}: {name}"


def share_load(share):
    return {0: HOT_GETS, 100: COLD_GETS}.get(share, f"64 with {share} % cold GETs")


def throughput(in_flight):
    return f"{in_flight} in flight"


def pipelined(in_flight):
    return f"{in_flight} in flight in pipelines of {PIPELINE}"


# ---- tables -------------------------------------------------------------------------------------

def waits_ratio(f, size, subject, load, name):
    return f.ratio(size, (subject, metric(load, f"paced {name}")), (subject, metric(HOT_GETS, f"paced {name}")))


def hot_table(f, size, loads):
    rows = [[f"{load}, {subject}",
             *(f.cell(size, subject, metric(load, f"paced {name}")) for name in PERCENTILES),
             *(times(waits_ratio(f, size, subject, load, name)) for name in ("p50", "p99")),
             f.cell(size, subject, metric(load, "sent late p99")),
             f.cell(size, subject, metric(load, RATE))]
            for load in loads for subject in LOOKS]
    return table(["other clients, server", *PERCENTILES, "p50 / beside hot", "p99 / beside hot",
                  "p99 of sending late", "lookups a second of the others"], rows)


def disk_ratio(f, size, subject, in_flight, load):
    reads = DISK, metric(throughput(in_flight), "reads a second")
    return f.ratio(size, (subject, metric(load, RATE)), reads)


def throughput_table(f, size):
    subjects = [IN_PROCESS, *LOOKS]
    rows = [[load, *(f.cell(size, subject, metric(throughput(n), "reads a second"))
                     for subject in (DISK, BUFFERED)),
             *(f.cell(size, subject, metric(load, RATE)) for subject in subjects),
             *(times(disk_ratio(f, size, subject, n, load)) for subject in subjects)]
            for n in IN_FLIGHT for load in (throughput(n), pipelined(n))]
    return table(["", DISK, BUFFERED, *subjects, *(f"{subject} / fio" for subject in subjects)], rows)


def one_table(f, size):
    one_read = (DISK, metric(throughput(1), "p50"))
    rows = [["one read of fio", *(f.cell(size, DISK, metric(throughput(1), name)) for name in ("p50", "p99")),
             times(f.ratio(size, one_read, one_read))]]
    rows += [[load, *(f.cell(size, STELE, metric(load, name)) for name in ("p50", "p99")),
              times(f.ratio(size, (STELE, metric(load, "p50")), one_read))] for load in (ONE_GET, MGET)]
    return table(["", "p50", "p99", "p50 / one read"], rows)


def peers_table(f):
    sizes = f.sizes(RESIDENT) or f.sizes(REDIS)
    rows = [[f"{size_name(size)}, {subject}",
             *(f.cell(size, subject, metric(HOT_GETS, f"paced {name}")) for name in PERCENTILES),
             f.cell(size, subject, metric(HOT_GETS, RATE))]
            for size in sizes for subject in (RESIDENT, REDIS)]
    return table(["keys, server", *PERCENTILES, "lookups a second of the others"], rows)


def targets_table(f, size):
    targets = Targets()
    for subject in LOOKS:
        for load in LOADS:
            if load == HOT_GETS:
                continue
            for name, limit in (("p50", P50_MOST), ("p99", P99_MOST)):
                targets.row(f"{subject}: {name} of hot clients beside {load}, compared with beside {HOT_GETS}",
                            at_most, waits_ratio(f, size, subject, load, name), limit, "×")
    for n in IN_FLIGHT:
        targets.row(f"{IN_PROCESS}: cold lookups a second, {throughput(n)}, compared with fio", at_least,
                    disk_ratio(f, size, IN_PROCESS, n, throughput(n)), DISK_LEAST, "×")
        for subject in LOOKS:
            for load in (throughput(n), pipelined(n)):
                targets.row(f"{subject}: cold lookups a second, {load}, compared with fio", at_least,
                            disk_ratio(f, size, subject, n, load), DISK_LEAST, "×")
    targets.row("an MGET of 100 cold keys, compared with one read of fio, p50", at_most,
                f.ratio(size, (STELE, metric(MGET, "p50")), (DISK, metric(throughput(1), "p50"))),
                MGET_MOST, "×")
    killed = [figure.median for (_, _, name), figure in f.figures.items()
              if name.endswith(KILLS) and figure.values]
    targets.row("processes killed because memory was short", at_most, sum(killed) if killed else None, 0, "")
    return targets.table()


def tables(f, picture):
    """Returns the text of all sections that have figures: heading, remark and table of each."""
    text = []

    def section(heading, remark, rows, image=""):
        text.append(f"### {heading}\n\n{remark}\n\n{picture(image)}{rows}")
    sizes = sorted({size for subject in (*LOOKS, DISK) for size in f.sizes(subject)})
    for size in sizes:
        section("Targets of data larger than memory", f"The goals, and what this run measured with "
                f"{size_name(size)} keys.", targets_table(f, size))
        if f.shows(metric(HOT_GETS, "paced p50")):
            section("Hot keys beside cold ones", "Microseconds that 16 clients of hot keys wait, at 200 requests a "
                    "second each, counted from when a request is due. Of 68 million keys, 20,000 are hot, and "
                    "as many of fewer in proportion. Beside them run the other clients, which always have "
                    "requests in flight. The load generator has a processor of its own beside one loop, and "
                    "real-time priority if it may. If it sends late then, the machine itself has stopped for that "
                    "time.", hot_table(f, size, LOADS))
        if f.shows(metric(share_load(SHARES[1]), "paced p50")):
            section("The share of cold lookups", "The same beside 64 clients, of whose GETs a part is for cold "
                    "keys.", hot_table(f, size, [share_load(share) for share in SHARES]), "cold")
        if f.shows(metric(throughput(IN_FLIGHT[0]), RATE)):
            section("Cold lookups a second", f"Each of 16 or 64 clients has one GET of a cold key in flight, or "
                    f"1 or 4 clients have {PIPELINE} each. `stele bench FILE --cold` looks up as many keys "
                    "at a time, without clients. fio has as many random reads of 4 KiB in flight, which bypass "
                    "the page cache, or go through the page cache of the same cgroup. All programs may use both "
                    "processors.",
                    throughput_table(f, size))
        if f.shows(metric(ONE_GET, "p50")):
            section("One cold request at a time", "Microseconds.", one_table(f, size))
    if f.sizes(RESIDENT) or f.sizes(REDIS):
        section("Beside redis-server", "Microseconds that the 16 clients wait beside 64 with hot GETs. All data "
                "is in memory, without a cgroup, because redis-server needs that.", peers_table(f))
    return "\n".join(text) + missing_list(f)


# ---- the report ---------------------------------------------------------------------------------

def draw(f, folder):
    """Draws the plot if there are figures for it. Returns its title by its name."""
    os.makedirs(folder, exist_ok=True)
    groups = []
    for share in SHARES:
        rows = []
        for subject, (median, rare) in LOOKS.items():
            for name, look in (("p50", median), ("p99", rare)):
                values = [f.get(size, subject, metric(share_load(share), f"paced {name}"))
                          for size in f.sizes(subject)]
                rows += [(f"{subject.split(', ')[1]}, {name}", look, value / 1000)
                         for value in values if value is not None]
        others = {0: "Beside lookups of hot keys only", 100: "Beside lookups of cold keys only"}
        groups.append((others.get(share, f"Beside lookups of which {share} % are of cold keys"), rows))
    title = "How long requests for hot keys take beside 64 other clients"
    about = "Milliseconds. Half of the requests take at most p50, 99 % at most p99. Less is better."
    return {"cold": title} if bars(f"{folder}/cold.svg", title, about, "ms", groups) else {}


def general(text):
    """Returns a command or a metric without its numbers, so that similar ones are equal."""
    text = re.sub(r"^[^:]* (with|in flight|cold GET|cold keys)[^:]*: ", "", text)
    return re.sub(r"--(connections|pipeline|mget|cold|numjobs)[ =]\d+", r"--\1 N", text)


def report(docs, tsv=None):
    """Draws tables and plot from the figures in `tsv`, or from those in the documentation."""
    f = Figures.load(kept(docs, "cold", tsv))
    publish_figures("cold", f, docs, draw(f, f"{docs}/benchmarks"), tables,
                    "Commands of the figures with data larger than memory",
                    command_rows(f, lambda subject: True, general=general))
