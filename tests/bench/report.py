"""Figures: saving them as tab-separated values, and drawing tables and plots of them.

A part of the benchmark adds figures while it measures, and saves them. Tables and plots are drawn from
the saved file only, so they can be drawn again without measuring.
"""
import html
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


def kept(docs, part, tsv=None):
    """Returns the path of the figures of a part beside its plots. Copies `tsv` there first, the figures that
    were just measured."""
    path = f"{docs}/benchmarks/{part}.tsv"
    if tsv:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(tsv, path)
    return path


def publish_figures(part, f, docs, drawn, tables, heading, commands):
    """Writes the section of a part, with its tables and plots, and prints it."""
    def picture(name):
        return f"![{drawn[name]}](benchmarks/{name}.svg)\n\n" if name in drawn else ""
    publish(docs, part, f"{about_line(f.about)}\n\n{tables(f, picture)}\n### {heading}\n\n"
                        f"[{part}.tsv](benchmarks/{part}.tsv) has the minimum, the median and the "
                        f"exact command of each figure.\n\n{commands}")
    print(f"{tables(f, lambda name: '')}\n{about_line(f.about)}\n"
          f"Figures: {kept(docs, part)}. Page: {docs}/benchmarks.md.")


# ---- plots --------------------------------------------------------------------------------------

# Medium tones without a background, readable on white and on black.
INK = "#757d86"
# The look of a line: colour, and gnuplot's numbers of its points and its dashes. Bars have only the colour.
BLUE, TEAL, PURPLE = ("#2f81f7", 7, 1), ("#12a594", 5, 1), ("#a06cf0", 13, 1)
RED, ORANGE, GREY = ("#e5484d", 9, 1), ("#d98a00", 11, 1), (INK, 2, 2)

# Pixels of a picture with bars. It is as wide as a page of GitHub shows it, so its text keeps its size.
WIDTH, LABELS, FIGURES = 760, 190, 100  # LABELS: left of the bars; FIGURES: room after the longest bar
TOP, HEADING, ROW, BAR, GAP, AXIS = 62, 26, 22, 14, 10, 14  # from top to bottom
MARGIN = 8


def keys_in_words(size):
    """Returns a text such as '10 million keys'."""
    return f"{size // 1000000:,} million keys" if size % 1000000 == 0 else f"{size:,} keys"


def tick_step(most):
    """Returns the least of 1, 2, 5, 10, 20, ... (and 0.5, 0.2, ...) that divides an axis into at most eight parts."""
    ten = 10 ** math.floor(math.log10(most / 8))
    return next(step * ten for step in (1, 2, 5, 10) if step * ten * 8 >= most)


def bars(path, title, about, unit, groups):
    """Draws bars over a linear axis that begins at 0, each with its figure. A group is a heading and a list of
    bars. A bar is (label, look, value), and is left out if the value is None. `about` says what the
    figures are. Draws nothing without figures, and returns whether it has drawn."""
    groups = [(heading, [bar for bar in rows if bar[2] is not None]) for heading, rows in groups]
    groups = [(heading, rows) for heading, rows in groups if rows]
    most = max((value for _, rows in groups for _, _, value in rows), default=0)
    if most <= 0:
        return False
    scale = (WIDTH - LABELS - FIGURES) / most
    step = tick_step(most)
    ticks = [(i * step, LABELS + i * step * scale) for i in range(math.floor(most / step * 1.0001) + 1)]
    grid, text, y = [], [], TOP
    for heading, rows in groups:
        text.append(f'<text x="0" y="{y + 15}" font-weight="bold">{html.escape(heading)}</text>')
        y += HEADING
        grid += [f'<path d="M{x:.1f} {y}v{len(rows) * ROW}" stroke="{INK}" stroke-opacity="{0.3 if value else 1}"/>'
                 for value, x in ticks]
        for label, (colour, _, _), value in rows:
            width, base = value * scale, y + ROW / 2 + 5
            text.append(f'<text x="{LABELS - 10}" y="{base:g}" text-anchor="end">{html.escape(label)}</text>'
                        f'<rect x="{LABELS}" y="{y + (ROW - BAR) / 2:g}" width="{width:.1f}" height="{BAR}" '
                        f'fill="{colour}"/><text x="{LABELS + width + 7:.1f}" y="{base:g}" '
                        f'font-weight="bold">{number(value)} {unit}</text>')
            y += ROW
        y += GAP
    text += [f'<text x="{x:.1f}" y="{y + 8}" text-anchor="middle" font-size="12">{value:,.6g}</text>'
             for value, x in ticks]
    text.append(f'<text x="{WIDTH}" y="{y + 8}" text-anchor="end" font-size="12">{unit}</text>')
    width, height = WIDTH + 2 * MARGIN, y + AXIS + MARGIN
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-MARGIN} 0 {width} {height}" width="{width}" '
                   f'height="{height}" font-family="sans-serif" font-size="14" fill="{INK}" role="img">\n'
                   f'<title>{html.escape(title)}</title>\n'
                   f'<text x="0" y="24" font-size="17" font-weight="bold">{html.escape(title)}</text>\n'
                   f'<text x="0" y="46">{html.escape(about)}</text>\n'
                   + "\n".join([*grid, *text]) + "\n</svg>\n")
    return True


# Lines over time are drawn with gnuplot (tests/soak/soak).

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
