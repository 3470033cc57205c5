#!/usr/bin/python3
"""Runs the commands of docs/publishing.md about stores, several machines, timers, comparing and merging
files, and moving from a Redis, with the real programs. sources.t runs those about databases."""
import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # no build products among the sources
from page import ROOT, SECONDS, blocks, commands, done, equal, ok, page, programs, read, run, section, \
    server, write

PAGE = page("publishing.md")
STORE = "/var/lib/stele/devices"
os.chdir(ROOT)


def key(i):
    return "%08x-0000-4000-8000-%012x" % (i * 2654435761 % 2**32, i)


def table(numbers, mark):
    return "".join("%s %s-%d\n" % (key(i), mark, i) for i in numbers)


def shell(text, folder, **environment):
    return run(["sh", "-c", text], folder, **environment)


def version(port, password="secret"):
    """Returns the version that a server serves."""
    info = run(["redis-cli", "-p", port, "info", "dataset"], REDISCLI_AUTH=password)[1]
    return re.search(r"dataset_version:(\S+)", info).group(1)


def current(store):
    """Returns the current version of a store."""
    return os.path.basename(os.readlink(store + "/current"))


def store_commands(folder):
    store = folder + "/devices"
    make, change = (text.replace("/var/lib/stele", folder).strip().split("\n")
                    for text in blocks(section(PAGE, "# Publishing"), "sh"))
    make_folder, publish_first, serve = make
    publish, versions, rollback, unpin = change
    write(folder + "/new.data", table(range(100), "a"))
    for line in (make_folder, publish_first):
        status, output = shell(line, folder)
        equal(status, 0, line.split("#")[0].strip().replace(folder, "/var/lib/stele"), output)
    first = current(store)
    write(folder + "/newer.data", table(range(100), "b"))
    with server(*shlex.split(serve, comments=True)) as watching, \
            server("stele-server", store, "--requirepass", "secret") as reloaded:
        served = []
        for line in (publish, rollback, unpin):
            command = line.split("#")[0].strip()
            status, output = shell("%s --reload 127.0.0.1:%s" % (command, reloaded), folder, REDISCLI_AUTH="secret")
            equal(status, 0, command.replace(folder, "/var/lib/stele"), output)
            served.append(version(reloaded))
            equal(served[-1], current(store), "  the server of --reload serves it")
            until = time.monotonic() + SECONDS
            while version(watching, "") != served[-1] and time.monotonic() < until:
                time.sleep(0.05)
            equal(version(watching, ""), served[-1], "  the server with --watch does")
        equal((served[1], served[0] == served[2] != first), (first, True), "  what is served", served)
        ok(re.search(r"^VERSION +MADE +AGE +KEYS +BYTES STATE\n\S+Z\S* .*\n\S+Z\S* .* current$",
                     shell(versions, folder)[1], re.M), "  the versions")
    verify = commands(PAGE, "stele publish devices new.data --verify").replace(
        "00000000-0000-4000-8000-000000000001", key(7))
    equal(shell(verify, folder)[0], 0, "--verify: a key that is there")
    write(folder + "/new.data", table((i for i in range(100) if i != 7), "c"))
    equal(shell(verify, folder)[0], 1, "  a key that is missing")


def several_machines(folder):
    store = folder + "/devices"
    equal(shell("stele publish %s new.data --version zz1" % store, folder)[0], 0, "rsync: a version")
    recipe = commands(PAGE, "set -e\nfor host in a b c").replace(STORE, store)
    recipe = recipe.replace("$host:" + folder, folder + "/$host")
    with contextlib.ExitStack() as servers:
        ports = {}
        for host in "abc":
            os.makedirs("%s/%s" % (folder, host))
            equal(shell("cp -a devices %s/" % host, folder)[0], 0, "  a copy for " + host)
            ports[host] = servers.enter_context(
                server("stele-server", "%s/%s/devices" % (folder, host), "--requirepass", "secret"))
            write("%s/%s/port" % (folder, host), ports[host])
        recipe = recipe.replace("-h $host", "-p $(cat %s/$host/port)" % folder)
        write(folder + "/new.data", table(range(2000), "d"))
        equal(shell("stele publish %s new.data --version zz2 --keep 1" % store, folder)[0], 0, "  the next version")
        status, output = shell(recipe, folder, REDISCLI_AUTH="secret")
        equal(status, 0, "  the commands", output)
        equal([version(port) for port in ports.values()], ["zz2"] * 3, "  each serves the next version", output)
        equal([sorted(os.listdir("%s/%s/devices/versions" % (folder, h))) for h in "abc"],
              [sorted(os.listdir(store + "/versions"))] * 3, "  each has the versions of the store")
        for host in "abc":
            equal(shell("stele verify %s/devices" % host, folder)[0], 0, "  the copy of %s is right" % host)
        # A server that refuses to reload stops the loop.
        write(folder + "/new.data", table(range(2000), "e"))
        shell("stele publish %s new.data --version zz3" % store, folder)
        ok(shell(recipe, folder, REDISCLI_AUTH="wrong")[0] != 0, "  a reload that fails is noticed")


def every_night(folder):
    unit, timer = blocks(section(PAGE, "## Every night"), "ini")
    write(folder + "/build-devices", "#!/bin/sh\nexec cp %s/new.data \"$1\"\n" % folder, 0o755)
    place = {"/usr/local/bin/build-devices": folder + "/build-devices", "/usr/local/bin/stele": "stele",
             STORE: folder + "/devices", "/etc/stele": folder}
    link = re.search("`(ln -s devices .*?)`", PAGE).group(1)
    status, output = shell(link.replace(STORE, folder + "/devices"), folder)
    equal(status, 0, "a link to the store, for the systemd unit", output)
    with server("stele-server", folder + "/devices.data", "--requirepass", "secret") as port:
        place["6379"] = port

        def placed(text):
            for here, there in place.items():
                text = text.replace(here, there)
            return text
        write(folder + "/publish.env", "REDISCLI_AUTH=secret\n", 0o600)
        write(folder + "/devices.service", placed(unit).replace("ExecStart=stele", "ExecStart=/bin/true stele"))
        write(folder + "/devices.timer", timer)
        status, output = run(["systemd-analyze", "verify", "--man=no", "./devices.service", "./devices.timer"], folder)
        equal((status, [line for line in output.split("\n") if "devices" in line]), (0, []), "systemd-analyze verify")
        status, output = run(["systemd-analyze", "calendar", re.search("OnCalendar=(.*)", timer).group(1)])
        equal(status, 0, "  the time of the timer", output)
        for line in re.findall("^ExecStart=(.*)$", unit, re.M):
            status, output = shell("set -a; . ./publish.env; " + placed(line), folder)
            equal(status, 0, "  " + line, output)
        first = version(port)
        equal(first, os.path.basename(os.readlink(folder + "/devices/current")), "  the new version is served")
        cron = re.search(r"^0 2 \* \* \* stele  (.*)$", PAGE, re.M).group(1)
        status, output = shell(placed(cron), folder)
        equal((status, version(port) > first), (0, True), "the line for cron", output)


def files(folder):
    write(folder + "/devices.data", table(range(500), "a"))
    write(folder + "/changes-monday.data", table(range(10, 20), "monday"))
    write(folder + "/changes-tuesday.data", table(range(15, 25), "tuesday"))
    status, output = shell("set -e\n" + commands(PAGE, "stele sort"), folder)
    equal(status, 0, "sort, merge and sample", output)
    new = dict(line.split(" ", 1) for line in read(folder + "/devices.data.new").splitlines())
    equal([new[key(i)] for i in (9, 14, 15, 24)], ["a-9", "monday-14", "tuesday-15", "tuesday-24"], "  later files win")
    equal(read(folder + "/sorted.data"), "".join(sorted(table(range(500), "a").splitlines(True))), "  sorted")
    equal(len(read(folder + "/sample.data").splitlines()), 500, "  a sample")
    os.rename(folder + "/devices.data", folder + "/old.data")
    write(folder + "/new.data", table(range(50, 600), "a").replace("a-100\n", "other\n"))
    # stele diff exits with 1 if the files differ, so the commands run without `set -e`.
    wanted = "".join(sorted(read(folder + "/new.data").splitlines(True)))
    status, output = shell(commands(PAGE, "stele diff old.data"), folder)
    equal((status, read(folder + "/new.data")), (0, wanted), "a copy is brought up to date by a delta", output)
    os.rename(folder + "/old.data", folder + "/devices-2026-11-21.data")
    os.rename(folder + "/new.data", folder + "/devices-2026-11-22.data")
    status, output = shell(commands(PAGE, "stele diff devices-"), folder)
    equal((status, output), (1, "added   100\nremoved 50\nchanged 1\nsame    449\n"), "diff --stats")
    os.rename(folder + "/devices-2026-11-22.data", folder + "/devices.data")
    equal((shell(commands(PAGE, "stele stats"), folder)[0], os.path.exists(folder + "/devices.html")), (0, True),
          "stats --html")


def from_redis(folder):
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = str(chosen.getsockname()[1])
    argv = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with subprocess.Popen(argv, env=programs(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as redis:
        try:
            client = ["redis-cli", "-p", port]
            until = time.monotonic() + SECONDS
            while run(client + ["ping"])[1] != "PONG\n" and time.monotonic() < until:
                time.sleep(0.02)
            for i in range(20):
                run(client + ["set", key(i), "value %d" % i])
            recipes = blocks(section(PAGE, "## From a Redis"), "sh")
            for number, recipe in enumerate(recipes):
                here = "%s/%d" % (folder, number)
                os.mkdir(here)
                status, output = shell(recipe.replace("redis.example", "127.0.0.1").replace("6379", port), here)
                equal(status, 0, "from a Redis, recipe %d" % (number + 1), output)
                data = here + ("/devices.data" if number == 0 else "/devices.data.new")
                equal(sorted(read(data).splitlines()), sorted("%s value %d" % (key(i), i) for i in range(20)),
                      "  every key is there")
        finally:
            redis.terminate()


for recipe_test in (store_commands, several_machines, every_night, files, from_redis):
    with tempfile.TemporaryDirectory(prefix="stele-publishing-") as place_of_test:
        if recipe_test in (several_machines, every_night):
            write(place_of_test + "/new.data", table(range(2000), "x"))
            shell("stele publish %s/devices new.data --version 1" % place_of_test, place_of_test)
        recipe_test(place_of_test)
done()
