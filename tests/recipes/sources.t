#!/usr/bin/python3
"""Runs the recipes of docs/publishing.md that make a data file from a database or from other files, with
the real programs. Each must publish the same rows, and refuse a value that cannot be in a data file."""
import csv
import json
import os
import shlex
import shutil
import sqlite3
import sys
import tempfile

sys.dont_write_bytecode = True  # no build products among the sources
from page import FOLDER, ROOT, blocks, done, equal, ok, page, programs, read, run, section, skip, write
from postgres import postgres, why_not

PAGE = page("publishing.md")
STORE = "/var/lib/stele/devices"  # in the recipes
# Values that are written as they are, though quotes, separators or escapes of some program are in them.
VALUES = ["plain", "", " spaces  around ", "tab\there", 'a "quoted" word', '"', "it's", "back\\slash \\n \\t",
          "a,b;c|d", "\\.", "#", "ünïcödé €", "null", "NULL", "x" * 100000]
NEWLINE = "two\nlines"


def key(i):
    return "%08x-0000-4000-8000-%012x" % (i * 2654435761 % 2**32, i)


ROWS = [(key(i), VALUES[i % len(VALUES)]) for i in range(300)]
LINES = sorted("%s %s" % row for row in ROWS)
# What a file without quotes cannot hold.
PLAIN = [(k, v) for k, v in ROWS if '"' not in v and "," not in v]


class Place:
    """A folder in which the commands of a recipe run, with a store."""

    def __init__(self, folder, heading, number=0, **environment):
        self.folder = folder
        self.heading = heading
        self.environment = environment
        self.store = folder + "/store"
        self.recipe = blocks(section(PAGE, heading), "sh")[number].replace(STORE, self.store)

    def run(self):
        return run(["sh", "-c", self.recipe], self.folder, **self.environment)

    def lines(self):
        return sorted(read(self.store + "/current/table.data").split("\n")[:-1])


def publishes(place, lines=None):
    status, output = place.run()
    equal(status, 0, place.heading + ": its commands", output)
    equal(place.lines(), LINES if lines is None else lines, "  every value is published as it was")


def refuses(place, what):
    """The source has another value now."""
    before = os.readlink(place.store + "/current")
    status, output = place.run()
    ok(status not in (0, 127), "  %s: it fails" % what, output)
    equal(os.readlink(place.store + "/current"), before, "  and the version before stays current", output)


# ---- PostgreSQL ---------------------------------------------------------------------------------

def text_literal(text):
    return "'" + text.replace("'", "''") + "'"


def from_postgres(folder):
    if why_not() is not None:
        skip("### From PostgreSQL", why_not())
        return
    os.mkdir(folder + "/pg")
    with postgres(folder + "/pg") as client:
        def sql(text):
            write(folder + "/sql", text)
            equal(run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", folder + "/sql"], **client), (0, ""), "  SQL")
        sql("CREATE TABLE devices (id uuid, value text);\n" + "".join(
            "INSERT INTO devices VALUES ('%s', %s);\n" % (k.upper(), text_literal(v)) for k, v in ROWS))
        place = Place(folder, "### From PostgreSQL", **client)
        publishes(place)
        sql("INSERT INTO devices VALUES ('%s', NULL);" % key(1000))
        publishes(place)
        for what, value in (("a newline", NEWLINE), ("the delimiter", "\1"), ("the quote", "\2")):
            sql("DELETE FROM devices WHERE id = '%s'; INSERT INTO devices VALUES ('%s', %s);"
                % (key(1000), key(1000), text_literal(value)))
            refuses(place, what)
        place.recipe = place.recipe.replace(
            "id || ' ' || value", "id || ' ' || jsonb_build_object('value', value)")
        status, output = place.run()
        equal(status, 0, "  as JSON", output)
        equal({k: json.loads(text)["value"] for k, text in (line.split(" ", 1) for line in place.lines())},
              dict(ROWS + [(key(1000), "\2")]), "  every value is in the JSON")
        sql("DROP TABLE devices;")
        refuses(place, "no table")


# ---- the others ---------------------------------------------------------------------------------

def from_sqlite(folder):
    database = sqlite3.connect(folder + "/devices.db")
    database.execute("CREATE TABLE devices (id text, value text)")
    database.executemany("INSERT INTO devices VALUES (?, ?)", ROWS + [(key(1000), None)])
    database.commit()
    place = Place(folder, "### From SQLite")
    publishes(place)
    database.execute("INSERT INTO devices VALUES (?, ?)", (key(1001), NEWLINE))
    database.commit()
    refuses(place, "a newline")
    database.execute("DROP TABLE devices")
    database.commit()
    refuses(place, "no table")
    database.close()


def write_csv(path, rows, quoting, delimiter=",", lineterminator="\n"):
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=quoting, delimiter=delimiter, lineterminator=lineterminator)
        writer.writerow(["id", "value"])
        writer.writerows(rows)


def from_csv(folder):
    path = folder + "/devices.csv"
    place = Place(folder, "### From a CSV")
    for end in ("\r\n", "\n"):
        write_csv(path, PLAIN, csv.QUOTE_MINIMAL, lineterminator=end)
        publishes(place, sorted("%s %s" % row for row in PLAIN))
    os.rename(folder + "/store", folder + "/store-of-sed")
    write_csv(path, ROWS, csv.QUOTE_MINIMAL)
    place = Place(folder, "### From a CSV", 1)
    publishes(place)
    write_csv(path, ROWS + [(key(1000), NEWLINE)], csv.QUOTE_ALL)
    write(path, "\ufeff" + read(path))
    publishes(place, sorted(LINES + ["%s two\\nlines" % key(1000)]))
    write(path, read(path) + key(1001) + "\n")
    refuses(place, "a row without a value")
    cut = read(path) + 'x,"y'
    rows = list(place.recipe.split("\n"))
    end = rows.index("if bad > 0:")
    place.recipe = "\n".join(rows[:end] + rows[end + 2:])  # the last two lines of the script
    publishes(place, sorted(LINES + ["%s two\\nlines" % key(1000)]))
    write(path, cut)
    refuses(place, "a file that was cut off")
    forms = [str.upper, lambda text: text.replace("-", ""), "{%s}".__mod__]
    write_csv(path, [(forms[i % 3](k), v) for i, (k, v) in enumerate(ROWS)], csv.QUOTE_ALL, ";", "\r\n")
    refuses(place, "another delimiter")
    place.recipe = place.recipe.replace('DELIMITER = ","', 'DELIMITER = ";"')
    publishes(place)
    write(path, read(path).split("\n", 1)[1])
    refuses(place, "no header")
    place.recipe = place.recipe.replace("DictReader(file, ", "DictReader(file, [KEY, VALUE], ")
    publishes(place)
    place.recipe = place.recipe.replace("import csv", "import json, csv").replace(
        'row[VALUE].replace("\\n", "\\\\n")', 'json.dumps({"model": row["value"]}, ensure_ascii=False)')
    publishes(place, sorted("%s %s" % (k, json.dumps({"model": v}, ensure_ascii=False)) for k, v in ROWS))


def from_spark(folder):
    os.mkdir(folder + "/devices")
    for i in range(5):  # a partition may be empty
        write("%s/devices/part-%05d-c000.txt" % (folder, i),
              "".join("%s %s\n" % row for row in (ROWS[i * 100:(i + 1) * 100] if i != 1 else [])))
    write(folder + "/devices/part-00009-c000.txt", "".join("%s %s\n" % row for row in ROWS[100:200]))
    place = Place(folder, "### From Spark")
    equal((place.run()[0], os.path.exists(place.store)), (1, False),
          place.heading + ": a job that is not complete is not published")
    write(folder + "/devices/_SUCCESS", "")
    publishes(place)
    write(folder + "/devices/part-00001-c000.txt", "%s %s\n" % (key(1000), NEWLINE))
    refuses(place, "a newline")


def from_duckdb(folder):
    path = programs()["PATH"]
    if shutil.which("duckdb", path=path) is None:
        if not os.path.exists(ROOT + "/build/recipes/installed"):
            skip("### From Parquet", "no DuckDB")
            return
        path += ":" + FOLDER
    os.mkdir(folder + "/devices")
    write_csv(folder + "/rows.csv", ROWS, csv.QUOTE_ALL)
    place = Place(folder, "### From Parquet, or anything that DuckDB reads", PATH=path)

    def parquet(more):
        sql = """COPY (SELECT id::uuid AS id, value FROM read_csv('rows.csv', header = true, all_varchar = true,
            quote = '"', escape = '"', nullstr = 'no such text', max_line_size = 10000000) %s)
            TO 'devices/part-1.parquet' (FORMAT parquet)""" % more
        equal(run(["sh", "-c", "duckdb -bail -c " + shlex.quote(sql)], folder, PATH=path), (0, ""), "  a Parquet file")
    parquet("UNION ALL SELECT '%s'::uuid, NULL" % key(1000))
    publishes(place)
    parquet("UNION ALL SELECT '%s'::uuid, 'two' || chr(10) || 'lines'" % key(1000))
    refuses(place, "a newline")
    os.remove(folder + "/devices/part-1.parquet")
    refuses(place, "no file")


os.chdir(ROOT)
for source in (from_postgres, from_sqlite, from_csv, from_spark, from_duckdb):
    with tempfile.TemporaryDirectory(prefix="stele-sources-") as place_of_source:
        os.chmod(place_of_source, 0o755)
        source(place_of_source)
done()
