"""Figures: saving them as tab-separated values, and drawing tables and plots of them.

A part of the benchmark adds figures while it measures, and saves them. Tables and plots are drawn from
the saved file only, so they can be drawn again without measuring.
"""
import math
import os
import platform
import re
import shutil
import statistics
import subprocess
import time

COLUMNS = ["size", "subject", "metric", "unit", "min", "median", "command"]
NOT_AVAILABLE = "not available"
UNITS = {"": 1, "k": 1000, "M": 1000000, "G": 1000000000}


def parse_size(text):
    """Returns the number that a text such as '10M' means."""
    match = re.fullmatch(r"(\d+)([kMG]?)", text.strip())
    if not match or int(match[1]) == 0:
        raise ValueError(f"'{text}' is not a number of keys, such as 100k or 10M")
    return int(match[1]) * UNITS[match[2]]


def size_name(size):
    """Returns a number as a text such as '10M'."""
    for unit in "GMk":
        if size % UNITS[unit] == 0:
            return f"{size // UNITS[unit]}{unit}"
    return str(size)


class Figure:
    def __init__(self, unit, command, values=(), reason=None):
        self.unit = unit
        self.command = command
        self.values = list(values)
        self.reason = reason  # reason why there are no values

    @property
    def min(self):
        return min(self.values)

    @property
    def median(self):
        return statistics.median(self.values)


class Figures:
    """Figures by size, subject and metric, in the order in which they were added. `about` has facts
    about all of them: machine, date, versions."""

    def __init__(self, about=None):
        self.about = about or {}
        self.figures = {}

    def add(self, size, subject, metric, unit, value, command):
        """Adds a measurement of a figure."""
        figure = self.figures.setdefault((size, subject, metric), Figure(unit, command))
        figure.values.append(float(value))

    def miss(self, size, subject, metric, reason):
        """Notes that a figure cannot be measured."""
        self.figures.setdefault((size, subject, metric), Figure("", "", reason=reason))

    def sizes(self, subject):
        return sorted({size for size, name, _ in self.figures if name == subject})

    def shows(self, *metrics):
        """Returns whether one of the metrics has figures."""
        return any(metric in metrics and figure.values
                   for (_, _, metric), figure in self.figures.items())

    def get(self, size, subject, metric):
        """Returns the median, or None."""
        figure = self.figures.get((size, subject, metric))
        return figure.median if figure and figure.values else None

    def ratio(self, size, one, other):
        """Returns the median of one (subject, metric) divided by that of another, or None."""
        above, below = self.get(size, *one), self.get(size, *other)
        return above / below if above is not None and below else None

    def cell(self, size, subject, metric, scale=1):
        """Returns the text of a cell: median and unit, the minimum if it differs, or why there is none."""
        figure = self.figures.get((size, subject, metric))
        if not figure or not figure.values:
            return NOT_AVAILABLE
        median, least = number(figure.median * scale), number(figure.min * scale)
        return median if least == median else f"{median} ({least})"

    def save(self, path):
        with open(path + ".part", "w") as file:
            for name, text in self.about.items():
                file.write(f"# {name}\t{text}\n")
            file.write("\t".join(COLUMNS) + "\n")
            for (size, subject, metric), figure in self.figures.items():
                least, median = ((f"{figure.min:.9g}", f"{figure.median:.9g}") if figure.values
                                 else ("-", "-"))
                last = figure.command if figure.values else f"{NOT_AVAILABLE}: {figure.reason}"
                file.write("\t".join([size_name(size), subject, metric, figure.unit, least,
                                      median, last.replace("\t", " ")]) + "\n")
        os.rename(path + ".part", path)

    @staticmethod
    def load(path):
        loaded = Figures()
        with open(path) as file:
            for line in file:
                cells = line.rstrip("\n").split("\t")
                if line.startswith("# "):
                    loaded.about[cells[0][2:]] = cells[1]
                elif cells != COLUMNS:
                    size, subject, metric, unit, least, median, command = cells
                    key = (parse_size(size), subject, metric)
                    if least == "-":
                        reason = command.removeprefix(f"{NOT_AVAILABLE}: ")
                        loaded.figures[key] = Figure(unit, "", reason=reason)
                    else:  # three values with this minimum and this median
                        values = [float(least), float(median), float(median)]
                        loaded.figures[key] = Figure(unit, command, values)
        return loaded


def number(value):
    """Returns a number with three significant digits, without an exponent."""
    if value == 0:
        return "0"
    return f"{value:,.{max(2 - math.floor(math.log10(abs(value))), 0)}f}"


def times(ratio):
    return NOT_AVAILABLE if ratio is None else f"{number(ratio)} ×"


def table(head, rows):
    """Returns a Markdown table that is also readable as text. The first column is aligned to the left, the
    others to the right."""
    rows = [head] + rows
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) if i else cell.ljust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        lines.append("| " + " | ".join(cells) + " |")
    rule = [("-" * width + ":") if i else "-" * (width + 1) for i, width in enumerate(widths)]
    lines.insert(1, "|" + "|".join("-" + dashes for dashes in rule) + "|")
    return "\n".join(lines) + "\n"


# ---- targets ----------------------------------------------------------------------------------

def at_most(value, limit, unit):
    return [f"≤ {limit:g} {unit}".strip(), f"{number(value)} {unit}".strip(),
            "yes" if value <= limit else "no"]


def at_least(value, limit, unit):
    return [f"≥ {limit:g} {unit}".strip(), f"{number(value)} {unit}".strip(),
            "yes" if value >= limit else "no"]


def worst(values):
    """Returns the largest of the known values, or None."""
    known = [value for value in values if value is not None]
    return max(known) if known else None


class Targets:
    """Targets, and the values measured."""

    def __init__(self):
        self.rows = []

    def row(self, name, compare, value, limit, unit):
        """Adds a target. `compare` is at_most or at_least; `value` is None when it is not known."""
        self.rows.append([name, *(compare(value, limit, unit) if value is not None
                                  else [compare(0, limit, unit)[0], NOT_AVAILABLE, ""])])

    def table(self):
        return table(["target", "goal", "measured", "reached"], self.rows)


# ---- how to measure again -----------------------------------------------------------------------

def command_rows(f, wanted, more=(), general=lambda text: text):
    """Returns a table of all commands, each once, with what it measures. The TSV file has the exact
    commands. `wanted` chooses subjects, `general` makes similar metrics and commands equal, `more` are
    rows for the end."""
    rows = {}
    for (size, subject, metric), figure in f.figures.items():
        if figure.values and wanted(subject):
            command = general(re.sub(rf"\b{size_name(size)}\b", "SIZE", figure.command))
            metrics = rows.setdefault((subject, command), [])
            if general(metric) not in metrics:
                metrics.append(general(metric))
    text = [(f"{subject}: {'; '.join(metrics)}", command)
            for (subject, command), metrics in rows.items()]
    text = [(name, f"`{command}`".replace("|", "\\|")) for name, command in [*text, *more]]
    return "\n".join(f"| {name} | {command} |" for name, command in
                     [("figures", "command"), ("---", "---"), *text]) + "\n"


def missing_list(f):
    """Returns a text about missing figures and the reasons, empty when none is missing."""
    lines = [f"- {size_name(size)}, {subject}, {metric}: {figure.reason}"
             for (size, subject, metric), figure in f.figures.items() if not figure.values]
    return "\nNot available:\n\n" + "\n".join(lines) + "\n" if lines else ""


# ---- where it was measured ----------------------------------------------------------------------

def first_line(argv):
    try:
        said = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return said.stdout.strip().split("\n")[0]
    except OSError:
        return "none"


def version(argv):
    """Returns the version number in the first line of a program's output."""
    said = first_line(argv)
    found = re.search(r"\d+(\.\d+)+", said)
    return found[0] if found else said


def machine():
    """Returns facts about the machine and the programs, as pairs of name and text."""
    with open("/proc/cpuinfo") as file:
        cpu = file.read()
    with open("/proc/meminfo") as file:
        memory = int(re.search(r"^MemTotal:\s*(\d+)", file.read(), re.M)[1]) * 1024
    with open("/etc/os-release") as file:
        system = re.search(r'^PRETTY_NAME="?([^"\n]*)', file.read(), re.M)
    model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
    changed = first_line(["git", "status", "--porcelain", "src"])
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": f"{model[1] if model else platform.machine()}, "
                     f"{len(os.sched_getaffinity(0))} cores"
                     + (" of a virtual machine" if re.search(r"^flags.* hypervisor\b", cpu, re.M)
                        else ""),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{system[1] if system else 'Linux'}, kernel {platform.release()}",
        "Stele": first_line(["git", "rev-parse", "--short", "HEAD"])
                 + (" with changes" if changed else ""),
        "compiler": first_line(["cc", "--version"]),
    }


def about_line(about):
    line = "; ".join(f"{name}: {text}" for name, text in about.items())
    return line[:1].upper() + line[1:] + "."


# ---- a section of the page ----------------------------------------------------------------------

def publish(docs, part, text, page="benchmarks.md", writer="make bench"):
    """Replaces the text between the markers of a part in a page."""
    page = f"{docs}/{page}"
    begin, end = f"<!-- {part}: written by {writer} -->", f"<!-- {part}: end -->"
    with open(page) as file:
        before, found, rest = file.read().partition(begin + "\n")
    _, found_end, after = rest.partition(end + "\n")
    if not found or not found_end:
        raise SystemExit(f"{page}: no lines '{begin}' and '{end}'")
    with open(page + ".part", "w") as file:
        file.write(f"{before}{begin}\n\n{text.strip()}\n\n{end}\n{after}")
    os.rename(page + ".part", page)


def publish_figures(part, f, tsv, docs, drawn, tables, heading, commands):
    """Writes the section of a part, with its tables and plots, and prints it."""
    shutil.copy(tsv, f"{docs}/benchmarks/{part}.tsv")

    def picture(name):
        return f"![{drawn[name]}](benchmarks/{name}.svg)\n\n" if name in drawn else ""
    publish(docs, part, f"{about_line(f.about)}\n\n{tables(f, picture)}\n### {heading}\n\n"
                        f"[{part}.tsv](benchmarks/{part}.tsv) has the minimum, the median and the "
                        f"exact command of each figure.\n\n{commands}")
    print(f"{tables(f, lambda name: '')}\n{about_line(f.about)}\n"
          f"Figures: {tsv}. Page: {docs}/benchmarks.md.")


# ---- plots --------------------------------------------------------------------------------------

# Medium tones without a background, readable on white and on black.
INK = "#808890"
# The look of a line: colour, and gnuplot's numbers of its points and its dashes.
BLUE, TEAL, PURPLE = ("#2f81f7", 7, 1), ("#12a594", 5, 1), ("#a06cf0", 13, 1)
RED, ORANGE, ORANGE_DASHED = ("#e5484d", 9, 1), ("#d98a00", 11, 1), ("#d98a00", 10, 2)
GREY_DASHED = (INK, 2, 2)


def canvas(path, title, y_label):
    """Returns the first lines of all plots."""
    return [
        "set terminal svg size 760,420 dynamic font 'sans-serif,14' linewidth 1.5",
        f"set output '{path}'",
        f"set title '{title}' textcolor '{INK}'",
        f"set border 3 linecolor '{INK}'",
        f"set grid ytics linecolor '{INK}' linewidth 0.3 dashtype 3",
        f"set key outside right center textcolor '{INK}' Left reverse samplen 2 spacing 1.3",
        f"set ylabel '{y_label}' textcolor '{INK}'",
        f"set ytics nomirror textcolor '{INK}'",
    ]


def draw_with_gnuplot(lines):
    subprocess.run(["gnuplot"], input="\n".join(lines) + "\n", text=True, check=True)


def bars(path, title, y_label, groups, series):
    """Draws series as bars, side by side in groups. A series is (name, look, values), with a value or None
    for each group. The scale is logarithmic and begins at 0.01. Draws nothing without values or
    without gnuplot."""
    series = [(name, look, values) for name, look, values in series
              if any(value is not None for value in values)]
    if not series or not shutil.which("gnuplot"):
        return False
    lines = canvas(path, title, y_label) + [
        "set style data histogram",
        "set style histogram clustered gap 1",
        "set style fill solid",
        "set logscale y\nset format y '%g'",
        "set yrange [0.01:*]",
        f"set xtics nomirror textcolor '{INK}' font ',10' scale 0",
        "$values << EOD",
    ]
    for i, group in enumerate(groups):
        cells = [values[i] if values[i] is not None else "NaN" for _, _, values in series]
        lines.append(" ".join([f'"{group}"', *(str(cell) for cell in cells)]))
    lines.append("EOD")
    drawn = [f"$values using {i + 2}:xtic(1) linecolor '{colour}' title '{name}'"
             for i, (name, (colour, _, _), _) in enumerate(series)]
    draw_with_gnuplot(lines + ["plot " + ", \\\n     ".join(drawn)])
    return True


def plot(path, title, y_label, series, log_y=False, x_label="keys", labels=None):
    """Draws series as lines over the number of keys. A series is (name, look, [(keys, value)]). With
    `labels`, x is the number of a label instead of a number of keys. Draws nothing without values or
    without gnuplot."""
    series = [(name, look, points) for name, look, points in series if points]
    if not series or not shutil.which("gnuplot"):
        return False
    sizes = sorted({x for _, _, points in series for x, _ in points})
    ticks = ", ".join(f'"{labels[x] if labels else size_name(x)}" {x}' for x in sizes)
    lines = canvas(path, title, y_label) + [
        f"set xlabel '{x_label}' textcolor '{INK}'",
        *([f"set xrange [-0.3:{len(labels) - 0.7}]"] if labels else
          ["set logscale x", f"set xrange [{sizes[0] / 1.5}:{sizes[-1] * 1.5}]"]),
        f"set xtics nomirror textcolor '{INK}' ({ticks})",
        "set logscale y\nset format y '%g'" if log_y else "set yrange [0:*]",
    ]
    drawn = []
    for i, (name, (colour, points_like, dashes), points) in enumerate(series):
        lines.append(f"$s{i} << EOD")
        lines += [f"{x} {y}" for x, y in points]
        lines.append("EOD")
        drawn.append(f"$s{i} with linespoints linecolor '{colour}' linewidth 1.5 "
                     f"pointtype {points_like} pointsize 0.6 dashtype {dashes} title '{name}'")
    draw_with_gnuplot(lines + ["plot " + ", \\\n     ".join(drawn)])
    return True
