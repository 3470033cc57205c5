"""The tables and plots of the section `index` of docs/benchmarks.md.

They are drawn from the saved figures only, so they can be drawn again without measuring.
"""
import os

from data_files import CACHE, DATA, REDIS
from programs import GENERATE, TOOL
from report import (BLUE, GREY, NOT_AVAILABLE, ORANGE, PURPLE, RED, TEAL, Figures, Targets, at_least,
                    at_most, bars, command_rows, kept, keys_in_words, missing_list, number,
                    publish_figures, size_name, table, times, worst)

TSV = f"{CACHE}/index.tsv"

# Subjects.
MEMORY, MAPPED = "index in memory", "index file"
PYTHON, KEY_SET = "Python dict", "key set: "

# Metrics that are named in several places.
IDLE_CONNECTIONS = 50
IDLE = f"RssAnon, {IDLE_CONNECTIONS} idle connections"


# ---- tables -------------------------------------------------------------------------------------

def megabytes(f, size, subject, metric):
    return f.cell(size, subject, metric, 1e-6)


def ready_table(f, sizes):
    def row(size):
        cells = [f.cell(size, subject, "time to ready")
                 for subject in (MEMORY, MAPPED, REDIS, PYTHON)]
        ours = (MEMORY, "time to ready")
        return [size_name(size), *cells, times(f.ratio(size, (REDIS, "time to ready"), ours)),
                times(f.ratio(size, (PYTHON, "time to ready"), ours))]
    return table(["keys", "Stele, no index file", "Stele, index file", "redis-server from its RDB",
                  "Python dict", "redis / Stele", "dict / Stele"], [row(size) for size in sizes])


def bytes_table(f, sizes):
    return table(["keys", "data file, MB", "Stele, in memory", "Stele, index file", "redis-server",
                  "Python dict"],
                 [[size_name(size), megabytes(f, size, DATA, "data file"),
                   *(f.cell(size, subject, "bytes a key")
                     for subject in (MEMORY, MAPPED, REDIS, PYTHON))] for size in sizes])


def memory_table(f, sizes):
    return table(["keys", "Stele, while building", "Stele, index in memory",
                  "Stele, index file", "second server, same index file", "redis-server", "Python dict"],
                 [[size_name(size),
                   megabytes(f, size, MEMORY, "peak RssAnon while building"),
                   megabytes(f, size, MEMORY, "RssAnon when ready"),
                   megabytes(f, size, MAPPED, IDLE),
                   megabytes(f, size, MAPPED, "RssAnon of the second"),
                   megabytes(f, size, REDIS, "RssAnon when ready"),
                   megabytes(f, size, PYTHON, "RssAnon when ready")] for size in sizes])


SHARING = ["Rss of the index, first", "Rss of the index, second", "Pss of the index, first",
           "Pss of the index, second", "Pss of the first server alone", "Pss of two servers",
           "Rss of two servers"]


def sharing_table(f, sizes):
    return table(["keys", *SHARING],
                 [[size_name(size), *(megabytes(f, size, MAPPED, metric) for metric in SHARING)]
                  for size in sizes])


LOOKUPS = ["hit, single", "hit, batched", "miss, single", "miss, batched", "near miss, single",
           "near miss, batched", "misses touching the data", "one dependent read"]


def lookups_table(f, sizes):
    heads = [f"{metric}, %" if "touching" in metric else metric for metric in LOOKUPS]
    rows = []
    for size in sizes:
        for subject in MEMORY, MAPPED, PYTHON:
            cells = [f.cell(size, subject, metric) for metric in LOOKUPS]
            if subject == PYTHON:  # the other figures do not apply to a dict
                cells = [cell if metric in ("hit, single", "miss, single") else ""
                         for metric, cell in zip(LOOKUPS, cells)]
            rows.append([f"{size_name(size)}, {subject}", *cells])
    return table(["keys", *heads], rows)


COMPARED = ["hit, single", "hit, batched", "near miss, single", "near miss, batched"]


def key_sets(f):
    """Returns pairs of size and subject, with the random keys first."""
    return [(size, subject) for size, subject, metric in f.figures
            if subject.startswith(KEY_SET) and metric == "data file"]


def key_sets_table(f):
    pairs = key_sets(f)
    random = pairs[0][1]
    rows = []
    for size, subject in pairs:
        keys = f.get(size, subject, "keys")
        row = [subject.removeprefix(KEY_SET), f"{keys:,.0f}" if keys is not None else NOT_AVAILABLE,
               f.cell(size, subject, "bytes a key")]
        for metric in COMPARED:
            mine = f.get(size, subject, metric)
            ratio = f.ratio(size, (subject, metric), (random, metric))
            row.append(NOT_AVAILABLE if ratio is None else f"{number(mine)} ({ratio:.2f} ×)")
        rows.append(row)
    return table(["key set", "keys", "bytes a key", *COMPARED], rows)


# ---- targets -------------------------------------------------------------------------------------

def targets_table(f, sizes):
    targets = Targets()
    row = targets.row
    aims_at = 10000000  # number of keys that most targets apply to
    if aims_at in sizes:
        def get(subject, metric, scale=1):
            value = f.get(aims_at, subject, metric)
            return value * scale if value is not None else None
        ours = (MEMORY, "time to ready")
        row("10M: bytes a key, index in memory", at_most, get(MEMORY, "bytes a key"), 5.6, "B")
        row("10M: bytes a key, index file", at_most, get(MAPPED, "bytes a key"), 5.6, "B")
        row("10M: hit, single", at_most, get(MEMORY, "hit, single"), 100, "ns")
        row("10M: hit, batched", at_most, get(MEMORY, "hit, batched"), 45, "ns")
        row("10M: miss, batched", at_most, get(MEMORY, "miss, batched"), 35, "ns")
        row("10M: ready without an index file", at_most, get(*ours), 0.6, "s")
        row("10M: redis-server's time to ready", at_least,
            f.ratio(aims_at, (REDIS, "time to ready"), ours), 12, "× Stele's")
        row("10M: a Python dict's time to ready", at_least,
            f.ratio(aims_at, (PYTHON, "time to ready"), ours), 12, "× Stele's")
        row("10M: RssAnon with an index file, 50 idle connections", at_most,
            get(MAPPED, IDLE, 1e-6), 16, "MB")
    row("ready with an index file, any size", at_most,
        worst([f.get(size, MAPPED, "time to ready") for size in sizes]), 0.05, "s")
    row("misses that touch the data, any size", at_most,
        worst([f.get(size, MEMORY, "misses touching the data") for size in sizes]), 1, "%")
    pairs = key_sets(f)
    if pairs:
        random = pairs[0][1]
        row("any key set of 10,000 keys or more: bytes a key", at_most,
            worst([f.get(*pair, "bytes a key") for pair in pairs
                   if (f.get(*pair, "keys") or 0) >= 10000]), 7.3, "B")
        for metric in COMPARED:
            row(f"any key set: {metric}, compared with random keys", at_most,
                worst([f.ratio(size, (subject, metric), (random, metric))
                       for size, subject in pairs]), 2, "×")
    return targets.table()


# ---- the report ---------------------------------------------------------------------------------

def commands_table(f):
    data = f"{CACHE}/keys-NN-SIZE.data"
    more = [("key sets: data file", f"{GENERATE} SIZE --keys NAME > {data}"),
            ("key sets: all else", f"{TOOL} bench {data} --index none")]
    return command_rows(f, lambda subject: not subject.startswith(KEY_SET), more)


def tables(f, picture):
    """Returns the text of all sections that have figures: heading, remark and table of each."""
    sizes = f.sizes(DATA)
    text = []

    def section(heading, remark, rows, image=""):
        text.append(f"### {heading}\n\n{remark}\n\n{picture(image)}{rows}")
    section("Targets", "The goals, and what this run measured.", targets_table(f, sizes))
    if f.shows("time to ready"):
        section("Time to ready", "Seconds from the start of the process to its ready line. For "
                "redis-server, to its first PONG.", ready_table(f, sizes), "ready")
    section("Bytes a key", "The memory that a program needs in addition to the data, or the size of the "
            "index file, divided by the number of keys.", bytes_table(f, sizes), "bytes")
    if f.shows("peak RssAnon while building", IDLE):
        section("Anonymous memory", "RssAnon in MB, which does not count mapped files. "
                f"The server with an index file has {IDLE_CONNECTIONS} idle connections.",
                memory_table(f, sizes))
        section("Two servers on one index file", "MB. Rss counts a shared page fully in each "
                "process, Pss only the process's share of it. If the Rss of both servers is twice "
                "their Pss, they share the same pages: there is one copy. Figures of a server count the whole "
                "process. Those of the first server alone were measured before the second was started.",
                sharing_table(f, sizes))
    if f.shows("hit, single"):
        section("Lookups in process", "Nanoseconds per lookup, with one thread and uniformly random keys.",
                lookups_table(f, sizes), "lookups")
    if key_sets(f):
        section("Key sets", "Friendly and hostile sets of keys, with the index in memory. Nanoseconds "
                "per lookup, and in parentheses the ratio to random keys.", key_sets_table(f))
    return "\n".join(text) + missing_list(f)


def draw(f, folder):
    """Draws the plots that have figures. Returns them by name."""
    os.makedirs(folder, exist_ok=True)
    plots = {
        "ready": ("Time to ready", "Seconds from the start of the process until it can answer. Less is better.",
                  "s", [
                      ("Stele, with its index file", BLUE, MAPPED, "time to ready"),
                      ("Stele, no index file", TEAL, MEMORY, "time to ready"),
                      ("redis-server, its RDB", RED, REDIS, "time to ready"),
                      ("Python dict", ORANGE, PYTHON, "time to ready")]),
        "bytes": ("Memory beyond the data", "Bytes for each key that are needed beside the data itself. Less is "
                  "better.", "B", [
                      ("Stele, index file", BLUE, MAPPED, "bytes a key"),
                      ("Stele, index in memory", TEAL, MEMORY, "bytes a key"),
                      ("redis-server", RED, REDIS, "bytes a key"),
                      ("Python dict", ORANGE, PYTHON, "bytes a key")]),
        "lookups": ("Lookups in process", "Nanoseconds for each key, one thread, random keys. Less is better.",
                    "ns", [
                        ("one dependent read", GREY, MEMORY, "one dependent read"),
                        ("Stele, hits one by one", BLUE, MEMORY, "hit, single"),
                        ("Stele, hits in groups", TEAL, MEMORY, "hit, batched"),
                        ("Stele, misses in groups", PURPLE, MEMORY, "miss, batched"),
                        ("Python dict, hits", ORANGE, PYTHON, "hit, single"),
                        ("Python dict, misses", RED, PYTHON, "miss, single")]),
    }
    drawn = {}
    for name, (title, about, unit, series) in plots.items():
        groups = [(keys_in_words(size), [(label, look, f.get(size, subject, metric))
                                         for label, look, subject, metric in series])
                  for size in f.sizes(DATA)]
        if bars(f"{folder}/{name}.svg", title, about, unit, groups):
            drawn[name] = title
    return drawn


def report(docs, tsv=None):
    """Draws tables and plots from the figures in `tsv`, or from those in the documentation."""
    f = Figures.load(kept(docs, "index", tsv))
    publish_figures("index", f, docs, draw(f, f"{docs}/benchmarks"), tables,
                    "Commands", commands_table(f))
