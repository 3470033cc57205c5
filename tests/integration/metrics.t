#!/usr/bin/env python3
"""`stele metrics`: its figures are those of INFO, promtool accepts them, and the file for the collector is replaced at
once. A server of this test sends hostile figures."""
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # no build products among the sources
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import done, equal, ok

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.environ.get("STELE_BUILD", "build/release")
STELE = BUILD + "/stele"
KEY = "3479d894-3271-4935-88cf-a06f3cbb80a5"
PROMTOOL = shutil.which("promtool", path=os.environ["PATH"] + ":build/services/usr/bin")
CLUSTER = ["stele_cluster_epoch", "stele_cluster_nodes_down", "stele_cluster_redirects_ask_total",
           "stele_cluster_redirects_crossslot_total", "stele_cluster_redirects_moved_total", "stele_dataset_foreign_keys"]
os.environ.pop("REDISCLI_AUTH", None)


def run(*words, **environment):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, env={**os.environ, **environment})
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def accepted(text, name):
    """promtool finds nothing wrong. Debian's package prometheus contains it."""
    if not PROMTOOL:
        ok(True, name + " # SKIP promtool is not there")
        return
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    ok(done.returncode == 0 and not done.stderr, name, done.stdout + done.stderr)


def samples(text, quiet=False):
    """Returns the metrics as {name with labels: value}. Checks the form of each line."""
    found, strange, types = {}, [], {}
    for line in text.splitlines():
        head = re.fullmatch(r"# (HELP|TYPE) (\w+) (\S.*)", line)
        sample = re.fullmatch(r'((\w+)(?:\{\w+="(?:[^"\\]|\\.)*"(?:,\w+="(?:[^"\\]|\\.)*")*\})?) ([-+.e0-9]+)', line)
        if head:
            types.setdefault(head[2], []).append(head[1])
        elif sample and sample[1] not in found:
            found[sample[1]] = float(sample[3])
            if types.get(re.sub("_(sum|count)$", "", sample[2]) if sample[2] not in types else sample[2]) != ["HELP", "TYPE"]:
                strange.append("no HELP and TYPE: " + line)
        else:
            strange.append(line)
    if not quiet:
        equal(strange, [], "each line has the form of a metric, each metric a HELP and a TYPE")
    return found


def info(port):
    text = run("redis-cli", "-p", port, "info", "all")[1]
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


class Fake:
    """A server that answers this text to any request."""
    def __init__(self, text):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.reply = text if text.startswith(b"-") else b"$%d\r\n%s\r\n" % (len(text), text)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            client.recv(65536)
            client.sendall(self.reply)
            client.recv(1)
            client.close()


with tempfile.TemporaryDirectory(prefix="stele-metrics-") as folder:
    data = folder + "/served.data"
    shutil.copy("example.data", data)
    program = subprocess.Popen([BUILD + "/stele-server", data, "--port", "0", "--index", "none", "--requirepass", "secret"],
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = program.stdout.readline().split()[1].rsplit(":", 1)[1]
    address = "127.0.0.1:" + port
    os.environ["REDISCLI_AUTH"] = "secret"

    # ---- the figures -------------------------------------------------------------------------------------------

    requests = ["GET " + KEY] * 3 + ["GET ffffffff-ffff-ffff-ffff-fffffffffffe", "SET a b", "CONFIG GET port", "STELE.RELOAD"]
    for request in requests:
        run("redis-cli", "-p", port, *request.split())
    before = info(port)
    status, text, said = run(STELE, "metrics", address)
    equal((status, said), (0, ""), "a server that answers")
    accepted(text, "promtool accepts the metrics")
    found = samples(text)
    ok(text.startswith("# HELP stele_up ") and found["stele_up"] == 1, "stele_up is the first")
    for name, field in (("stele_dataset_keys", "dataset_keys"), ("stele_dataset_bytes", "dataset_bytes"),
                        ("stele_dataset_generation", "dataset_generation"), ("stele_reloads_total", "dataset_reloads"),
                        ("stele_failed_reloads_total", "dataset_failed_reloads"), ("stele_keyspace_hits_total", "keyspace_hits"),
                        ("stele_keyspace_misses_total", "keyspace_misses"), ("stele_error_replies_total", "total_error_replies"),
                        ("stele_rejected_connections_total", "rejected_connections"), ("stele_max_clients", "maxclients"),
                        ("stele_cold_lookups_total", "total_cold_lookups"), ("stele_connected_clients", "connected_clients"),
                        ("stele_dataset_made_timestamp_seconds", "dataset_made_at"), ("stele_memory_allowed_bytes", "memory_allowed")):
        equal(found.get(name), float(before[field]), "%s is %s" % (name, field))
    equal([found["stele_keyspace_hits_total"], found["stele_keyspace_misses_total"]], [3, 1], "hits and misses")
    ok(0 <= found["stele_dataset_age_seconds"] - float(before["dataset_age_seconds"]) < 60, "the age of the data")
    ok(found["stele_commands_processed_total"] > float(before["total_commands_processed"]), "the number of commands")
    ok(found["stele_memory_used_bytes"] > 100_000, "the memory")
    equal([found['stele_dataset_status{status="%s"}' % s] for s in ("ok", "appended", "overwritten", "truncated", "unreadable")],
          [1, 0, 0, 0, 0], "the status of the dataset")
    equal(found['stele_dataset_index_status{status="memory"}'], 1, "the status of the index")
    equal(found["stele_last_reload_successful"], 1, "the last reload was successful")
    equal(found['stele_errors_total{code="READONLY"}'], 1, "errors by code")
    calls = dict(part.split("=") for part in before["cmdstat_get"].split(","))
    latency = dict(part.split("=") for part in before["latency_percentiles_usec_get"].split(","))
    equal(found['stele_command_latency_seconds_count{command="get"}'], 4, "calls by command")
    ok(abs(found['stele_command_latency_seconds_sum{command="get"}'] * 1e6 - float(calls["usec"])) < 0.01, "their duration")
    for percentile, value in latency.items():
        quantile = float(percentile[1:]) / 100
        ok(abs(found['stele_command_latency_seconds{command="get",quantile="%g"}' % quantile] * 1e6 - float(value)) < 0.01,
           "%s of GET" % percentile)
    ok('stele_command_latency_seconds_count{command="config|get"}' in found, "a command of two words")
    ok(not any('"cold-read"' in name for name in found), "waiting for data is no command")
    equal(found["stele_cold_wait_seconds_count"], 0, "nothing has waited for data")
    ok(any(name.startswith('stele_info{version="') for name in found), "the version")

    with open("docs/monitoring.md") as page:
        documented = set(re.findall(r"`(stele_[a-z_]+)[`{]", page.read()))
    printed = {re.sub("_(sum|count)$", "", name.split("{")[0]) for name in found}
    equal(sorted(printed ^ documented), CLUSTER, "docs/monitoring.md names all metrics, and those of a cluster are not there")

    # ---- a failed reload, and a file that is changed -----------------------------------------------------------

    os.rename(data, data + ".old")
    with open(data, "w") as file:
        file.write("not a record\n")
    run("redis-cli", "-p", port, "STELE.RELOAD")
    with open(data + ".old", "a") as file:
        file.write("more\n")
    run("redis-cli", "-p", port, "GET", KEY)
    _, text, _ = run(STELE, "metrics", address)
    found = samples(text)
    equal([found["stele_last_reload_successful"], found["stele_failed_reloads_total"]], [0, 1], "a failed reload")
    equal(found['stele_dataset_status{status="%s"}' % info(port)["dataset_status"]], 1, "the status is that of INFO")

    # ---- labels ------------------------------------------------------------------------------------------------

    _, text, _ = run(STELE, "metrics", address, "--label", 'server=a"b\\c')
    accepted(text, "promtool accepts a label")
    found = samples(text)
    ok(all('{server="a\\"b\\\\c"' in name for name in found), "the label is added to each metric")
    _, text, _ = run(STELE, "metrics", address, "--label", b"n" * 63 + b"=" + b"\x01" * 100)
    ok(text.count("{%s=\"%s\"" % ("n" * 63, r"\\x01" * 100)) > 20, "the longest label is not cut")
    for label in ("server", "n=" + 101 * "v", 64 * "n" + "=v", "=x", "1a=b", "a-b=c", "__a=b", "status=ok", "quantile=1"):
        equal(run(STELE, "metrics", address, "--label", label)[:2], (2, ""), "no label: " + label)

    # ---- the file for the collector ----------------------------------------------------------------------------

    def content(path):
        with open(path) as file:
            return file.read()

    prom = folder + "/stele.prom"
    os.umask(0o022)
    equal(run(STELE, "metrics", address, "--textfile", prom), (0, "", ""), "--textfile prints nothing")
    accepted(content(prom), "promtool accepts the file")
    equal(stat.S_IMODE(os.stat(prom).st_mode), 0o644, "others may read it")
    inode = os.stat(prom).st_ino
    reading = open(prom)
    first = content(prom)
    equal(run(STELE, "metrics", address, "--textfile", prom)[0], 0, "it is replaced")
    ok(os.stat(prom).st_ino != inode and reading.read() == first, "by a rename: who reads the old one, reads all of it")
    open(folder + "/empty.prom", "w").close()
    equal(run(STELE, "metrics", address, "--textfile", folder + "/empty.prom")[0], 0, "an empty file is replaced")
    os.symlink(prom, folder + "/link.prom")
    os.mkfifo(folder + "/fifo.prom")
    for name, path in (("a data file", data), ("a link", folder + "/link.prom"), ("a FIFO", folder + "/fifo.prom"), ("a folder", folder)):
        kind = os.lstat(path)
        status, out, said = run(STELE, "metrics", address, "--textfile", path)
        ok(status == 2 and said and not out, name + " is not replaced", said)
        equal((os.lstat(path).st_ino, os.lstat(path).st_mtime), (kind.st_ino, kind.st_mtime) if path != folder else
              (kind.st_ino, os.lstat(path).st_mtime), name + " is as before")
    equal(run(STELE, "metrics", address, "--textfile", folder + "/none/x.prom")[0], 2, "there is no such folder")

    # ---- a cluster ---------------------------------------------------------------------------------------------

    with socket.create_server(("127.0.0.1", 0)) as silent, open(folder + "/cluster.conf", "w") as topology:
        # The server's own port is not used. The other node accepts connections, and says nothing.
        topology.write("epoch 3\nshard 0-16383\n  node a 127.0.0.1:1\n  node b 127.0.0.1:%d\n" % silent.getsockname()[1])
        topology.close()
        node = subprocess.Popen([BUILD + "/stele-server", "example.data", "--port", "0", "--index", "none", "--cluster-config",
                                 folder + "/cluster.conf", "--cluster-node", "a", "--cluster-node-timeout", "100"],
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        own = "127.0.0.1:" + node.stdout.readline().split()[1].rsplit(":", 1)[1]
        until = time.monotonic() + 60
        while samples(run(STELE, "metrics", own)[1], quiet=True)["stele_cluster_nodes_down"] == 0 and time.monotonic() < until:
            time.sleep(0.05)
        found = samples(run(STELE, "metrics", own)[1])
        equal([found.get(name) for name in CLUSTER], [3, 1, 0, 0, 0, 0], "a node of a cluster, and another one that is down")
        node.terminate()
        equal(node.wait(), 0, "the node ends well")

    # ---- servers that do not answer ----------------------------------------------------------------------------

    down = "# HELP stele_up 1 if the server has answered.\n# TYPE stele_up gauge\nstele_up 0\n"
    status, text, said = run(STELE, "metrics", address, REDISCLI_AUTH="wrong")
    ok((status, text) == (2, down) and "WRONGPASS" in said, "a wrong password", said)
    program.terminate()
    equal(program.wait(), 0, "the server ends well")
    status, text, said = run(STELE, "metrics", address, "--textfile", prom)
    ok(status == 2 and "Connection refused" in said, "a server that is down", said)
    equal(content(prom), down, "the file says so")
    accepted(down, "promtool accepts it")
    equal(sorted(name for name in os.listdir(folder) if name.endswith(".tmp")), [], "no temporary file is left")
    del os.environ["REDISCLI_AUTH"]
    equal(run(STELE, "metrics", Fake(b"-LOADING wait\r\n").address)[:2], (2, down), "a server that is loading")
    hostile = Fake(b"dataset_keys:1\nstele_up 7\r\ndataset_bytes:1e9\r\ndataset_lines:-\r\nmaxclients:12 13\r\n"
                   b"dataset_status:a\"b\\c\x1b\xff\r\ndataset_version:\"} 1\r\ncmdstat_\"x{}\xc3\xa9:calls=1,usec=2\r\n"
                   b"cmdstat_a:calls=1,usec=nan\r\nerrorstat_E\"R:count=1\r\ndataset_hash:" + b"h" * 5000 + b"\r\n"
                   b"latency_percentiles_usec_\"x{}\xc3\xa9:p50=1,p-1=2,pnan=3,p101=4,x=5\r\n")
    status, text, said = run(STELE, "metrics", hostile.address)
    equal((status, said), (0, ""), "a hostile server")
    accepted(text, "promtool accepts its metrics")
    found = samples(text)
    equal([name for name in found if name in ("stele_dataset_bytes", "stele_dataset_lines", "stele_max_clients")], [],
          "what is no number is left out")
    equal(found.get("stele_dataset_keys"), 1, "what is a number is not")

    many = Fake(b"".join(b"cmdstat_c%d:calls=1,usec=1\r\n" % number for number in range(30_000)))
    equal(run(STELE, "metrics", many.address)[1].count("stele_command_latency_seconds_count{"), 1024,
          "a server with very many commands")

done()
