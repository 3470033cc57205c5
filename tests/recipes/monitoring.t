#!/usr/bin/python3
"""Runs docs/monitoring.md: a real Prometheus with node_exporter and redis_exporter watches a server, and one
incident after another makes each alert fire, and clear again. Each query of the dashboard returns data.

The rules are those of docs/monitoring/, with shorter times."""
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.dont_write_bytecode = True  # no build products among the sources
from page import ROOT, SECONDS, block, done, equal, free_port, ok, page, programs, read, run, wait_until, write

os.chdir(ROOT)
RULES = ["docs/monitoring/stele.rules.yml", "docs/monitoring/redis-exporter.rules.yml"]
KEYS = 1000
MAX_CLIENTS = 20
WINDOW = 8  # seconds in place of the five minutes of the rules


def key(i):
    return "%08x-0000-4000-8000-%012x" % (i * 2654435761 % 2**32, i)


def table(count, mark):
    return "".join("%s %s-%d\n" % (key(i), mark, i) for i in range(count))


def await_that(condition, what, seconds=SECONDS):
    """Waits until the condition holds. Returns whether it does."""
    holds = bool(wait_until(condition, seconds))
    if not holds:
        print("# waited in vain: " + what)
    return holds


class Program:
    """A program that runs in the background. Its output goes to a file."""

    def __init__(self, folder, name, *words):
        self.log = "%s/%s.log" % (folder, name)
        self.words = words
        self.start()

    def start(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.words, env=programs(), stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Stele(Program):
    def __init__(self, folder, port):
        self.folder = folder
        super().__init__(
            folder, "stele", "stele-server", folder + "/data/table.data", "--port", str(port), "--skip-malformed",
            "--maxclients", str(MAX_CLIENTS), "--write-timeout", "1", "--reload-max-shrink", "60%", "--reload-verify",
            "while test -e %s/hold; do sleep 0.05; done" % folder)

    def publish(self, text, when=None):
        """Renames a new file into place, and reloads."""
        path = write(self.folder + "/data/table.data.new", text)
        if when is not None:
            os.utime(path, (when, when))
        os.rename(path, self.folder + "/data/table.data")
        self.process.send_signal(signal.SIGHUP)


class Timer(threading.Thread):
    """Runs `stele metrics` again and again, as the timer of the page does."""

    def __init__(self, folder, port):
        super().__init__(daemon=True)
        self.command = ["stele", "metrics", "127.0.0.1:%d" % port, "--textfile", folder + "/textfile/stele.prom",
                        "--timeout", "1", "--label", "server=devices"]
        self.paused = False
        self.ended = False

    def run(self):
        while not self.ended:
            if not self.paused:
                run(self.command)
            time.sleep(0.3)


class Prometheus(Program):
    def __init__(self, folder, jobs):
        self.port = free_port()
        text = "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%s/*.rules.yml]\n" % folder
        text += "scrape_configs:\n"
        for name, port in jobs.items():
            text += "- job_name: %s\n  static_configs: [{targets: ['127.0.0.1:%d']}]\n" % (name, port)
        config = write(folder + "/prometheus.yml", text)
        os.mkdir(folder + "/tsdb")
        super().__init__(folder, "prometheus", "prometheus", "--config.file=" + config, "--storage.tsdb.path=" +
                         folder + "/tsdb", "--web.listen-address=127.0.0.1:%d" % self.port)

    def get(self, path, **query):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            connection.request("GET", path + "?" + urllib.parse.urlencode(query))
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError):
            return {}
        finally:
            connection.close()

    def query(self, expression):
        """Returns the samples of an expression, or None if it is wrong."""
        reply = self.get("/api/v1/query", query=expression)
        return reply["data"]["result"] if reply.get("status") == "success" else None

    def firing(self):
        """Returns the names of the alerts that fire."""
        return {s["metric"]["alertname"] for s in self.query('ALERTS{alertstate="firing"}') or []}


def shortened(text):
    """Returns rules whose times suit a test."""
    text = re.sub(r"for: \d+m", "for: 1s", text)
    text = text.replace("[5m]", "[%ds]" % WINDOW).replace("offset 1d", "offset %ds" % WINDOW)
    return text.replace("> 300", "> 4").replace("_duration_sec > 600", "_duration_sec > 1")


def rules_are_valid(folder):
    names = []
    for path in RULES:
        status, output = run(["promtool", "check", "rules", path])
        equal(status, 0, path + ": promtool accepts it", output)
        names += re.findall(r"- alert: (\w+)", read(path))
        write(folder + "/" + os.path.basename(path), shortened(read(path)))
    explained = re.findall(r"^\| (Stele\w+) \|", page("monitoring.md"), re.M)
    equal(explained, re.findall(r"- alert: (\w+)", read(RULES[0])), "docs/monitoring.md explains each alert")
    return set(names)


def units_are_valid(folder):
    names = ["stele-metrics.service", "stele-metrics.timer"]
    for name in names:
        unit = block(page("monitoring.md"), "/etc/systemd/system/" + name)
        write(folder + "/" + name, unit.replace("ExecStart=/usr/local/bin/stele", "ExecStart=/bin/true"))
    status, output = run(["systemd-analyze", "verify", "--man=no"] + ["./" + name for name in names], folder)
    equal((status, [line for line in output.split("\n") if "stele" in line]), (0, []), "systemd-analyze verify")


def computed(folder):
    """What needs a slow disk, an old index or several machines: promtool computes when an alert fires. Returns the
    alerts that nothing else makes fire."""
    test = """rule_files: [%s/%s, %s/%s]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series: [{series: 'stele_cold_reads_waiting{instance="a"}', values: '0 0 0 0 5 5 0 5 5 0 5 5 0 5 5 0 0 5 0 0 5 0 0'}]
  alert_rule_test:
  - {eval_time: 5m, alertname: SteleWaitsForTheDisk}
  - {eval_time: 22m, alertname: SteleWaitsForTheDisk}
  - eval_time: 14m
    alertname: SteleWaitsForTheDisk
    exp_alerts:
    - exp_labels: {instance: a, severity: ticket}
      exp_annotations:
        summary: "lookups of data that is not in memory wait for a reader thread"
- interval: 1m
  input_series:
  - {series: 'stele_up{instance="a"}', values: '1x40'}
  - {series: 'stele_up{instance="b"}', values: '1x10 stale'}
  alert_rule_test:
  - {eval_time: 10m, alertname: SteleMetricsAreMissing}
  - eval_time: 30m
    alertname: SteleMetricsAreMissing
    exp_alerts:
    - exp_labels: {instance: b, severity: page}
      exp_annotations:
        summary: "there are no metrics of Stele from b: does node_exporter run, and the timer?"
- interval: 1m
  input_series:
  - {series: 'stele_uptime_seconds{instance="a"}', values: '100+60x5 10+60x5 20+60x5 _ _ 0+60x90'}
  - {series: 'redis_uptime_in_seconds{instance="b"}', values: '9 0 9 0 9 0+60x90'}
  alert_rule_test:
  - eval_time: 12m
    alertname: SteleRestarts
    exp_alerts: [&b {exp_labels: {instance: b, severity: ticket}, exp_annotations: {
      summary: "Stele on b was started 3 times within an hour"}}]
  - eval_time: 25m
    alertname: SteleRestarts
    exp_alerts: [*b, {exp_labels: {instance: a, severity: ticket}, exp_annotations: {
      summary: "Stele on a was started 3 times within an hour"}}]
  - {eval_time: 90m, alertname: SteleRestarts}
- interval: 1m
  input_series:
  - {series: 'stele_cluster_nodes_down{instance="a"}', values: '0 0 0 2x30'}
  - {series: 'stele_dataset_foreign_keys{instance="a"}', values: '0 0 0 7x30'}
  alert_rule_test:
  - {eval_time: 3m, alertname: SteleNodeIsDown}
  - eval_time: 5m
    alertname: SteleNodeIsDown
    exp_alerts:
    - exp_labels: {instance: a, severity: page}
      exp_annotations:
        summary: "a gets no good answer from 2 nodes of the cluster"
  - {eval_time: 17m, alertname: SteleKeysAreForeign}
  - eval_time: 20m
    alertname: SteleKeysAreForeign
    exp_alerts:
    - exp_labels: {instance: a, severity: ticket}
      exp_annotations:
        summary: "7 keys belong to other shards of the cluster"
- interval: 1h
  input_series: [{series: 'redis_rdb_last_save_timestamp_seconds{instance="a"}', values: '0x40'}]
  alert_rule_test:
  - {eval_time: 36h, alertname: SteleIndexIsOld}
  - eval_time: 37h
    alertname: SteleIndexIsOld
    exp_alerts:
    - exp_labels: {instance: a, severity: ticket}
      exp_annotations:
        summary: "the index of the served data was built 1d 13h 0m 0s ago"
""" % (ROOT, RULES[0], ROOT, RULES[1])
    status, output = run(["promtool", "test", "rules", write(folder + "/test.yml", test)])
    equal(status, 0, "promtool computes when these alerts fire", output)
    return {"SteleWaitsForTheDisk", "SteleIndexIsOld", "SteleNodeIsDown", "SteleKeysAreForeign", "SteleRestarts"}


def incident(prometheus, name, alerts, begin, end):
    """Makes the alerts fire with `begin`, and clear with `end`."""
    begin()
    fired = await_that(lambda: set(alerts) <= prometheus.firing(), name)
    ok(fired, "%s: %s" % (name, ", ".join(alerts)), "firing: %s" % prometheus.firing())
    end()
    cleared = await_that(lambda: not set(alerts) & prometheus.firing(), name)
    ok(cleared, "  cleared", "firing: %s" % prometheus.firing())
    return set(alerts)


class Clients:
    """Connections to the server that do nothing."""

    def __init__(self, port):
        self.port = port
        self.sockets = []

    def open(self, count):
        for _ in range(count):
            self.sockets.append(socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS))

    def is_refused(self):
        """Waits for what the server says to the last connection."""
        return self.sockets[-1].recv(64).startswith(b"-ERR max number of clients reached")

    def close(self):
        while self.sockets:
            self.sockets.pop().close()


class Hung:
    """A client that asks and does not read."""

    def __init__(self, port):
        self.port = port
        self.socket = None

    def begin(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect(("127.0.0.1", self.port))
        with contextlib.suppress(OSError):
            self.socket.settimeout(1)
            self.socket.sendall(b"KEYS *\r\n" * 2000)

    def end(self):
        self.socket.close()


class Asking(threading.Thread):
    """Asks for a key that is lost, again and again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.ended = False

    def run(self):
        while not self.ended:
            run(["stele", "ask", "127.0.0.1:%d" % self.port, "GET", key(KEYS - 1)])
            time.sleep(0.2)


def incidents(folder, port, prometheus, exporters, stele, timer):
    data = folder + "/data/table.data"
    seen = set()
    servers = [stele]

    def tell(name, alerts, begin, end):
        seen.update(incident(prometheus, name, alerts, begin, end))

    def start():
        servers.append(Stele(folder, port))

    tell("the server is gone", ["SteleDown"], stele.stop, start)

    def pause(paused):
        timer.paused = paused
    tell("the timer stands still", ["SteleMetricsAreOld"], lambda: pause(True), lambda: pause(False))
    tell("the exporters are gone", ["SteleMetricsAreMissing", "SteleExporterDown"],
         lambda: [exporter.stop() for exporter in exporters], lambda: [exporter.start() for exporter in exporters])
    tell("a bad file", ["SteleReloadFailed", "SteleDataset"], lambda: servers[-1].publish("nonsense\n"),
         lambda: servers[-1].publish(table(KEYS, "b")))
    tell("a reload that hangs", ["SteleReloadHangs", "SteleReloadTakesLong"],
         lambda: (write(folder + "/hold", ""), servers[-1].publish(table(KEYS, "c"))),
         lambda: os.remove(folder + "/hold"))
    asking = Asking(port)
    asking.start()
    tell("a file that is cut", ["SteleDataDamaged", "SteleDataChangedInPlace", "SteleErrors", "SteleErrorReplies"],
         lambda: os.truncate(data, 1000), lambda: servers[-1].publish(table(KEYS, "d")))
    asking.ended = True
    asking.join()
    old = time.time() - 40 * 3600
    tell("old data", ["SteleDataIsOld"], lambda: servers[-1].publish(table(KEYS, "e"), old),
         lambda: servers[-1].publish(table(KEYS, "f")))
    tell("fewer keys", ["SteleKeysAreMissing", "SteleKeysAreFewer"], lambda: servers[-1].publish(table(KEYS // 2, "g")),
         lambda: servers[-1].publish(table(KEYS, "h")))
    tell("malformed lines", ["SteleLinesAreMalformed"], lambda: servers[-1].publish(table(KEYS, "i") + "nonsense\n"),
         lambda: servers[-1].publish(table(KEYS, "j")))

    def lose_index():
        # The folder of the index is gone, so that no other index can be written.
        os.rename(folder + "/data", folder + "/away")
        write(folder + "/data", "")
        os.truncate(folder + "/away/table.data.idx", 100)
        run(["stele", "ask", "127.0.0.1:%d" % port, "GET", key(KEYS + 1)])

    def find_index():
        os.remove(folder + "/data")
        os.rename(folder + "/away", folder + "/data")
        servers[-1].publish(table(KEYS, "k"))
    tell("a lost index", ["SteleIndexNotWritten"], lose_index, find_index)
    clients = Clients(port)
    tell("many clients", ["SteleNearlyFull"], lambda: clients.open(MAX_CLIENTS - 3), clients.close)
    # As long as no client can connect, `stele metrics` cannot either. So the clients do not stay.
    tell("too many clients", ["SteleRefusesClients"], lambda: (
        clients.open(3 * MAX_CLIENTS), ok(clients.is_refused(), "the last one is refused"), clients.close()), clients.close)
    hung = Hung(port)
    tell("a client that does not read", ["SteleClosesClients"], hung.begin, hung.end)
    servers[-1].stop()
    return seen


def dashboard(prometheus):
    board = json.loads(read("docs/monitoring/dashboard.json"))
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in expressions:
        asked = expression.replace("$instance", ".*").replace("$__rate_interval", "%ds" % WINDOW)
        ok(await_that(lambda asked=asked: prometheus.query(asked), asked, 20), "dashboard: " + expression)
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]
             if "{{server}}" in target["legendFormat"]]
    lost = [e for e in shown if not all("server" in sample["metric"] for sample in prometheus.query(
        e.replace("$instance", ".*").replace("$__rate_interval", "%ds" % WINDOW)) or [{"metric": {}}])]
    equal((len(shown) > 5, lost), (True, []), "several servers on a machine are apart")
    ok(len(expressions) > 20, "the dashboard has %d queries" % len(expressions))


def watch(folder):
    port = free_port()
    os.mkdir(folder + "/data")
    os.mkdir(folder + "/textfile")
    write(folder + "/data/table.data", table(KEYS, "a"))
    names = rules_are_valid(folder)
    units_are_valid(folder)
    apart = computed(folder)
    exporters = {"node": free_port(), "redis": free_port()}
    running = [
        Program(folder, "node", "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                "--collector.textfile.directory=" + folder + "/textfile", "--web.listen-address=127.0.0.1:%d" %
                exporters["node"]),
        Program(folder, "redis", "prometheus-redis-exporter", "-redis.addr", "redis://127.0.0.1:%d" % port,
                "-web.listen-address", "127.0.0.1:%d" % exporters["redis"]),
        Prometheus(folder, exporters),
    ]
    prometheus = running[-1]
    stele = Stele(folder, port)
    timer = Timer(folder, port)
    try:
        timer.start()
        ok(await_that(lambda: prometheus.query("stele_up == 1") and prometheus.query("redis_up == 1"), "metrics"),
           "Prometheus has the metrics", "".join(read(p.log) for p in running)[-3000:])
        for i in range(50):
            run(["stele", "ask", "127.0.0.1:%d" % port, "GET", key(i * 30)])
        dashboard(prometheus)
        equal(prometheus.firing(), set(), "no alert fires")
        seen = incidents(folder, port, prometheus, running[:2], stele, timer)
        equal(names - seen, apart, "each of the other alerts has fired")
    finally:
        timer.ended = True
        for program in running + [stele]:
            program.stop()
        timer.join()


missing = [name for name in ("prometheus", "promtool", "prometheus-node-exporter", "prometheus-redis-exporter")
           if shutil.which(name, path=programs()["PATH"]) is None]
if missing:
    print("1..0 # SKIP missing: " + " ".join(missing))
    sys.exit(0)
with tempfile.TemporaryDirectory(prefix="stele-monitoring-") as place:
    watch(place)
done()
