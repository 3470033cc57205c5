"""What all parts of the benchmark share: the command line, and taking measurements in turns."""
import argparse
import os

from programs import Unavailable, progress
from report import NOT_AVAILABLE, parse_size, size_name


class Turns:
    """Takes measurements in turns. If a measurement fails, it is noted once and not tried again."""

    def __init__(self, figures):
        self.figures = figures
        self.given_up = set()

    def take(self, into, size, subject, what, measure, *arguments):
        """Returns the result of `measure`, or None when it could not be taken."""
        if (size, subject, what) in self.given_up:
            return None
        try:
            return measure(into, *arguments)
        except Unavailable as reason:
            self.given_up.add((size, subject, what))
            self.figures.miss(size, subject, what, str(reason))
            progress(f"{size_name(size)}, {subject}, {what}: {NOT_AVAILABLE}: {reason}")
            return None


def command_line(about, parts, add=None):
    """Returns the options of a part, with `sizes` as sorted numbers. Changes to the project's folder.
    `add` is a function that adds options of the part's own to the parser."""
    parser = argparse.ArgumentParser(description=about.split("\n\n")[0])
    parser.add_argument("--sizes", default="1M,10M", help="numbers of keys (default 1M,10M)")
    parser.add_argument("--runs", type=int, default=3, help="times each figure is taken (3)")
    parser.add_argument("--only", choices=parts, help="measure a part, print it, save nothing")
    parser.add_argument("--docs", default="docs", help="where benchmarks.md is (docs)")
    parser.add_argument("--report", action="store_true", help="measure nothing: tables and plots of the figures in docs/benchmarks/ (or --docs)")
    if add:
        add(parser)
    options = parser.parse_args()
    try:
        options.sizes = sorted({parse_size(text) for text in options.sizes.split(",")})
    except ValueError as error:
        parser.error(str(error))
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    os.chdir(f"{os.path.dirname(os.path.abspath(__file__))}/../..")
    options.wanted = [options.only] if options.only else parts
    return options
