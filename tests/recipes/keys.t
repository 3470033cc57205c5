#!/usr/bin/python3
"""Runs the examples of docs/keys.md. For keys that are no UUIDs, PostgreSQL, Python and Node.js must make
the same lines of a data file, which must be those of the page."""
import os
import sys
import tempfile

sys.dont_write_bytecode = True  # no build products among the sources
from page import BUILD, ROOT, block, blocks, done, equal, page, run, section, server, skip, write
from postgres import postgres, why_not

os.chdir(ROOT)
PAGE = page("keys.md")
SECTION = section(PAGE, "## Keys that are no UUIDs")
LINES = blocks(SECTION, "text")[0]


def recipe(folder, name):
    return write(os.path.join(folder, name), block(SECTION, name))


def prefixed():
    """Runs the example of a prefix, with a port that the system chooses."""
    first, *steps = blocks(PAGE, "console")[0].split("$ ")[1:]
    words = first.split()
    equal((words[0], words[-1]), ("stele-server", "&"), "the example starts a server")
    with server(BUILD + "/" + words[0], *words[1:-1], "--index", "none") as port:
        for step in steps:
            command, output = step.split("\n", 1)
            argv = command.split()
            # redis-cli writes quotes and (nil) only to a terminal.
            equal(run(argv[:1] + ["--no-raw", "-p", port] + argv[1:]), (0, output), command)


def main():
    prefixed()
    with tempfile.TemporaryDirectory(prefix="stele-names-") as folder:
        os.chmod(folder, 0o755)
        equal(run(["/usr/bin/python3", recipe(folder, "names.py")], PYTHONUTF8="1"), (0, LINES), "Python")
        equal(run(["node", recipe(folder, "names.js")]), (0, LINES), "Node.js")
        path = write(os.path.join(folder, "names.data"), LINES)
        equal(run(["stele", "check", path])[0], 0, "the lines are a data file")
        if why_not() is None:
            os.mkdir(folder + "/pg")
            with postgres(folder + "/pg") as client:
                equal(run(["psql", "-qAt", "-v", "ON_ERROR_STOP=1", "-f", recipe(folder, "names.sql")], **client),
                      (0, LINES), "PostgreSQL")
        else:
            skip("PostgreSQL", why_not())
    done()


main()
