"""The tables and plots of the section `server` of docs/benchmarks.md.

They are drawn from the saved figures only, so they can be drawn again without measuring.
"""
import os
import re

from data_files import CACHE, DATA, REDIS
from report import (BLUE, ORANGE, RED, TEAL, Figures, Targets, at_most, bars, command_rows, kept,
                    keys_in_words, missing_list, publish_figures, size_name, table, times, worst)

TSV = f"{CACHE}/server.tsv"

# Subjects.
STELE, TWO_LOOPS, MEMCACHED = "Stele", "Stele, two loops", "memcached"
REDIS_BENCHMARK = "redis-benchmark"
PROGRAMS = [STELE, REDIS, MEMCACHED]
LOOKS = {STELE: BLUE, REDIS: RED, MEMCACHED: ORANGE}

# Names of presets and figures of the load generator.
IN_WORDS = {"P1": "One GET at a time, 50 clients", "P16": "Pipelines of 16 GETs, 50 clients",
            "P128": "Pipelines of 128 GETs, 8 clients", "M100": "MGETs of 100 keys, 20 clients"}
GETS = list(IN_WORDS)
LOADS = [*GETS, "PING"]
CPU, RATE = "server CPU a lookup", "lookups a second"
PERCENTILES = ["p50", "p99", "p99.9", "max"]

RSS = "resident memory"
BESIDE_CONNECTIONS = [1, 10]
PIPELINES = [1, 16, 128]

# Processor time of a lookup divided by that of redis-server.
CPU_TARGETS = {
    1000000: {"P1": 0.75, "P16": 0.37, "P128": 0.18, "M100": 0.22},
    10000000: {"P1": 0.80, "P16": 0.35, "P128": 0.18, "M100": 0.20},
}


def load_metric(load, metric):
    return f"{load}: {metric}"


def beside(connections, flooded, metric):
    return f"P1 with {connections}, {'beside a flood' if flooded else 'alone'}: {metric}"


def benchmark_metric(pipeline, metric):
    return f"redis-benchmark -P {pipeline}: {metric}"


# ---- tables -------------------------------------------------------------------------------------

def compared(f, size, metric):
    """Returns the ratio of Stele's figure to that of redis-server."""
    return times(f.ratio(size, (STELE, metric), (REDIS, metric)))


def programs_table(f, sizes, metric):
    """Returns a table with a row for each size and load, and a column for each program."""
    rows = [[f"{size_name(size)}, {load}",
             *(f.cell(size, subject, load_metric(load, metric)) for subject in PROGRAMS),
             compared(f, size, load_metric(load, metric))] for size in sizes for load in LOADS]
    return table(["keys, load", *PROGRAMS, "Stele / redis-server"], rows)


def latency_table(f, sizes):
    rows = [[f"{size_name(size)}, {load}, {subject}",
             *(f.cell(size, subject, load_metric(load, metric)) for metric in PERCENTILES)]
            for size in sizes for load in LOADS for subject in PROGRAMS]
    return table(["keys, load, program", *PERCENTILES], rows)


def memory_table(f, sizes):
    return table(["keys", "data file", *PROGRAMS],
                 [[size_name(size), f.cell(size, DATA, "data file", 1e-6),
                   *(f.cell(size, subject, RSS, 1e-6) for subject in PROGRAMS)] for size in sizes])


def flood_ratio(f, size, subject, connections):
    return f.ratio(size, (subject, beside(connections, True, "p99")),
                   (subject, beside(connections, False, "p99")))


def fairness_table(f, sizes):
    rows = [[f"{size_name(size)}, {connections} connection{'s' if connections > 1 else ''}, "
             f"{subject}",
             *(f.cell(size, subject, beside(connections, flooded, metric))
               for metric in ("p50", "p99") for flooded in (False, True)),
             times(flood_ratio(f, size, subject, connections))]
            for size in sizes for connections in BESIDE_CONNECTIONS for subject in (STELE, REDIS)]
    return table(["keys, connections, program", "p50 alone", "p50 beside a flood", "p99 alone",
                  "p99 beside a flood", "p99, beside / alone"], rows)


def loops_ratio(f, size, load):
    metric = load_metric(load, CPU)
    return f.ratio(size, (TWO_LOOPS, metric), (STELE, metric))


def loops_table(f, sizes):
    rows = [[f"{size_name(size)}, {load}",
             *(f.cell(size, subject, load_metric(load, metric))
               for metric in (CPU, RATE) for subject in (STELE, TWO_LOOPS)),
             times(loops_ratio(f, size, load))] for size in sizes for load in GETS]
    return table(["keys, load", "CPU, one loop", "CPU, two loops", "lookups a second, one loop",
                  "lookups a second, two loops", "CPU, two / one"], rows)


def benchmark_table(f):
    rows = []
    for size in f.sizes(REDIS_BENCHMARK):
        for pipeline in PIPELINES:
            rate, cpu = (benchmark_metric(pipeline, metric) for metric in ("rps", CPU))
            rows.append([f"{size_name(size)}, -P {pipeline}",
                         *(f.cell(size, subject, rate) for subject in (STELE, REDIS)),
                         *(f.cell(size, subject, cpu) for subject in (STELE, REDIS)),
                         compared(f, size, cpu)])
    return table(["keys, pipeline", "Stele, requests a second", "redis-server", "Stele, CPU",
                  "redis-server, CPU", "CPU, Stele / redis-server"], rows)


# ---- targets -------------------------------------------------------------------------------------

def targets_table(f, sizes):
    targets = Targets()
    for size in sizes:
        for load, limit in CPU_TARGETS.get(size, {}).items():
            metric = load_metric(load, CPU)
            targets.row(f"{size_name(size)}, {load}: CPU per lookup, compared with redis-server",
                        at_most, f.ratio(size, (STELE, metric), (REDIS, metric)), limit, "×")
    targets.row("P1: CPU of a GET, compared with a PING, any size", at_most,
                worst([f.ratio(size, (STELE, load_metric("P1", CPU)),
                               (STELE, load_metric("PING", CPU))) for size in sizes]), 1.10, "×")
    if f.sizes(TWO_LOOPS):
        targets.row("CPU per lookup with two loops, compared with one, any load", at_most,
                    worst([loops_ratio(f, size, load) for size in sizes for load in GETS]), 1.1,
                    "×")
    for connections in BESIDE_CONNECTIONS:
        targets.row(f"P1 with {connections} connection{'s' if connections > 1 else ''}: p99 beside "
                    "a flood, compared with alone, any size", at_most,
                    worst([flood_ratio(f, size, STELE, connections) for size in sizes]), 3, "×")
    return targets.table()


# ---- the report ---------------------------------------------------------------------------------

def general(text):
    """Returns a metric or a command without its load and its numbers, so that those that differ only in
    these are equal."""
    text = re.sub(rf"^({'|'.join(LOADS)}): ", "", text)
    text = re.sub(r"^P1 with \d+, (.*): (.*)", r"\2 \1", text)  # alone, or beside a flood
    text = re.sub(r"^redis-benchmark -P \d+: ", "redis-benchmark: ", text)
    text = re.sub(r"--load \w+ --lookups \d+ --seed \d+", "--load LOAD --lookups N --seed ROUND",
                  text)
    text = re.sub(r"--connections \d+", "--connections N", text)
    text = re.sub(r"-r \d+ -n \d+ -P \d+", "-r SIZE -n N -P PIPELINE", text)
    return re.sub(r" -m \d+ ", " -m MEGABYTES ", text)


def tables(f, picture):
    """Returns the text of all sections that have figures: heading, remark and table of each."""
    sizes = f.sizes(DATA)
    text = []

    def section(heading, remark, rows, image=""):
        text.append(f"### {heading}\n\n{remark}\n\n{picture(image)}{rows}")
    if sizes:
        section("Targets of the server", "The goals, and what this run measured.",
                targets_table(f, sizes))
    if f.shows(load_metric("P1", CPU)):
        section("Processor time per lookup", "Microseconds of the server process's user and "
                "system time. PING is the cost of P1 without the lookup. It is not always the lower of the "
                "two, because these figures vary by more than a lookup costs.",
                programs_table(f, sizes, CPU), "cpu")
        section("Lookups a second", "The server runs on one processor, the load generator on the other.",
                programs_table(f, sizes, RATE))
        section("How long a client waits", "Microseconds from writing a request, or all requests "
                "that a client has in flight, until the last reply is read completely.", latency_table(f, sizes))
        section("Resident memory", "VmRSS in MB after the loads. For Stele it includes the pages "
                "of the data file that were read, which the kernel may take back.",
                memory_table(f, sizes), "resident")
    if f.shows(beside(1, False, "p99")):
        section("Beside a flood", "Microseconds that clients of P1 wait, without and with one more "
                "connection that pipelines GETs without end (the flood).", fairness_table(f, sizes))
    if f.shows(load_metric("P1", CPU)) and f.sizes(TWO_LOOPS):
        section("Two loops", "Microseconds of processor time per lookup, and lookups a second. With two "
                "loops the server shares the second processor with the load generator.",
                loops_table(f, sizes))
    if f.sizes(REDIS_BENCHMARK):
        section("redis-benchmark", "Requests a second as `redis-benchmark -P PIPELINE -r N GET "
                "00000000-0000-4000-8000-__rand_int__` prints them, and microseconds of the "
                "server's processor time per request. Every requested key exists.", benchmark_table(f))
    return "\n".join(text) + missing_list(f)


def draw(f, folder):
    """Draws the plots that have figures. Returns them by name."""
    sizes = f.sizes(DATA)
    os.makedirs(folder, exist_ok=True)
    drawn = {}
    largest = sizes[-1] if sizes else 0
    title = f"Processor time per lookup, {keys_in_words(largest)}"
    about = "Microseconds of the server process, user and system. Less is better."
    if bars(f"{folder}/cpu.svg", title, about, "µs", [
            (words, [(subject, LOOKS[subject], f.get(largest, subject, load_metric(load, CPU)))
                     for subject in PROGRAMS]) for load, words in IN_WORDS.items()]):
        drawn["cpu"] = title

    def megabytes(size, subject, metric):
        value = f.get(size, subject, metric)
        return value / 1e6 if value is not None else None
    title = "Resident memory"
    about = "Megabytes after the loads. For Stele these are pages of its files, which the kernel may take back."
    if f.shows(RSS) and bars(f"{folder}/resident.svg", title, about, "MB", [
            (keys_in_words(size), [("the data file", TEAL, megabytes(size, DATA, "data file")),
                                   *((subject, LOOKS[subject], megabytes(size, subject, RSS))
                                     for subject in PROGRAMS)]) for size in sizes]):
        drawn["resident"] = title
    return drawn


def report(docs, tsv=None):
    """Draws tables and plots from the figures in `tsv`, or from those in the documentation."""
    f = Figures.load(kept(docs, "server", tsv))
    publish_figures("server", f, docs, draw(f, f"{docs}/benchmarks"), tables,
                    "Commands of the server's figures",
                    command_rows(f, lambda subject: True, general=general))
