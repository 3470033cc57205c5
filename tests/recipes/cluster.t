#!/usr/bin/python3
"""Checks the configurations that docs/scaling.md and docs/kubernetes.md show, as far as that is possible
without Envoy and Kubernetes: the YAML is well-formed; the shell commands work; the init container loads
the right part; the server accepts its options, and the probes its answer.

redis-compat/tools/ runs HAProxy and twemproxy with the configurations of docs/scaling.md."""
import glob
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
import time

import yaml

sys.dont_write_bytecode = True  # no build products among the sources
from page import BUILD, ROOT, SECONDS, block, blocks, commands, done, equal, ok, page, read, read_bytes, run, write

os.chdir(ROOT)


class Strict(yaml.SafeLoader):
    """Refuses a key that is given twice, which YAML forbids but the library accepts."""

    def construct_mapping(self, node, deep=False):
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise yaml.YAMLError("twice: %s, line %d" % (twice[0], node.start_mark.line + 1))
        return super().construct_mapping(node, deep)


def documents(text):
    return list(yaml.load_all(text, Loader=Strict))


def keys_of(path):
    return [line[:36].lower() for line in read_bytes(path).decode(errors="replace").split("\n") if line]


# ---- Envoy --------------------------------------------------------------------------------------

def envoy_parts(folder, page):
    """The parts that the commands join are those that Envoy asks for."""
    os.symlink(os.path.join(ROOT, "example.data"), folder + "/devices.data")
    status, output = run(["sh", "-ec", commands(page, "stele split devices.data --by prefix")], folder)
    equal(status, 0, "Envoy in front of parts: the commands", output)
    envoy = documents(block(page, "envoy-parts.yaml"))[0]["static_resources"]
    proxy = envoy["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    cluster = {route["prefix"]: route["cluster"] for route in proxy["prefix_routes"]["routes"]}
    equal("".join(sorted(cluster)), "0123456789abcdef", "  a route for each digit")
    equal(sorted(set(cluster.values())), sorted(c["name"] for c in envoy["clusters"]),
          "  to each cluster")
    found = 0
    for name in set(cluster.values()):
        there = keys_of("%s/%s.data" % (folder, name))
        equal([k for k in there if cluster[k[0]] != name], [], "  %s.data has its keys alone" % name)
        found += len(there)
    equal(found, len(keys_of("example.data")), "  no key is lost")


# ---- Kubernetes: replicas without a cluster -----------------------------------------------------

NO_RIGHT = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def safe(deployment, service):
    """The pods have no right, find their volumes, and are the pods of the Service."""
    name = deployment["metadata"]["name"]
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    image = read(os.path.join(ROOT, "docs/packaging/Containerfile"))
    user = re.search(r"^USER (\d+):(\d+)$", image, re.M)
    wanted = {"runAsNonRoot": True, "runAsUser": int(user.group(1)), "runAsGroup": int(user.group(2)),
              "seccompProfile": {"type": "RuntimeDefault"}}
    equal(pod["securityContext"], wanted, name + ": the user is that of the image")
    equal(container["securityContext"], NO_RIGHT, "  the container has no right")
    ok(all(m["readOnly"] for m in container["volumeMounts"]), "  it writes to no volume")
    equal(sorted(m["name"] for m in container["volumeMounts"]),
          sorted(v["name"] for v in pod["volumes"]), "  it mounts each volume")
    ok(pod["terminationGracePeriodSeconds"] >
       container["lifecycle"]["preStop"]["sleep"]["seconds"] + 5, "  it has the time to end")
    labels = spec["template"]["metadata"]["labels"]
    for selector in (spec["selector"]["matchLabels"], service["spec"]["selector"]):
        ok(selector.items() <= labels.items(), "  the selector finds the pods", selector)
    return container


def probe_command(container, probe, port):
    """The command of a probe, with our stele and the port of our server."""
    words = container[probe]["exec"]["command"]
    equal(words[0], "/usr/bin/stele", "  the program of the " + probe)
    return [BUILD + "/stele"] + [word.replace(":6379", ":" + port) for word in words[1:]]


def redis_cli(port, *words, **environment):
    return run(["redis-cli", "-p", port] + list(words), **environment)[1]


def asked(container, probe, port, environment):
    """Returns the exit status of a probe."""
    return run(probe_command(container, probe, port), **environment)[0]


def replica(folder, container, password, swap, question):
    """Starts the server of a container, runs its probes, and swaps the data."""
    words = ["stele-server"] + [placed(word, folder) for word in container["args"]] + ["--port", "0"]
    environment = {"REDISCLI_AUTH": password} if password else {}
    with subprocess.Popen(words, executable=BUILD + "/stele-server", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            ready = select.select([process.stdout], [], [], SECONDS)[0]
            line = process.stdout.readline().decode() if ready else ""
            ok(line.startswith("ready "), "  the server starts", line)
            port = re.search(r":(\d+) ", line).group(1)
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                if probe in container:
                    equal(asked(container, probe, port, environment), 0, "  the " + probe + " succeeds")
            before = redis_cli(port, *question, **environment)
            client = socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS)
            replies = client.makefile("rb")
            client.sendall(b"auth %s\r\n" % password.encode() if password else b"ping\r\n")
            equal(replies.readline(), b"+OK\r\n" if password else b"+PONG\r\n", "  a client connects")
            client.sendall(b"config set maxclients 1\r\n")
            equal(replies.readline(), b"+OK\r\n", "  no other client may connect")
            equal([asked(container, probe, port, environment) for probe in ("readinessProbe", "livenessProbe")],
                  [1, 0], "  it is not ready, but it is alive")
            client.sendall(b"config set maxclients 100\r\n")
            equal(replies.readline(), b"+OK\r\n", "  other clients may connect")
            swap()
            deadline = time.monotonic() + SECONDS
            while redis_cli(port, *question, **environment) == before and time.monotonic() < deadline:
                time.sleep(0.05)
            now = redis_cli(port, *question, **environment)
            ok(now != before, "  it swaps to the new data", now)
            client.sendall(b"ping\r\n")
            equal(replies.readline(), b"+PONG\r\n", "  the client is still connected")
            client.close()
        finally:
            process.terminate()
    equal(process.returncode, 0, "  its exit status")
    return before.strip(), now.strip()


def config_map(folder, name, files):
    """Writes the files of a ConfigMap as the kubelet does: two links and a folder for each version."""
    os.makedirs("%s/..%s" % (folder, name))
    for file, text in files.items():
        write("%s/..%s/%s" % (folder, name, file), text)
        if not os.path.lexists(folder + "/" + file):
            os.symlink("..data/" + file, folder + "/" + file)
    os.symlink(".." + name, folder + "/..data_tmp")
    os.rename(folder + "/..data_tmp", folder + "/..data")


def small(folder, page):
    kinds = {d["kind"]: d for d in documents(block(page, "small.yaml"))}
    container = safe(kinds["Deployment"], kinds["Service"])
    equal(kinds["Deployment"]["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"],
          kinds["ConfigMap"]["metadata"]["name"], "  its volume is the ConfigMap")
    files = kinds["ConfigMap"]["data"]
    key = next(iter(files.values()))[:36]
    os.makedirs(folder + "/data")
    config_map(folder + "/data", "2026_1", files)
    changed = {name: "%s changed\n" % key for name in files}
    before, now = replica(folder, container, None,
                          lambda: config_map(folder + "/data", "2026_2", changed), ["get", key])
    equal((before, now), ("this is a value", "changed"), "  the values before and after")


def replicas(folder, page):
    kinds = {d["kind"]: d for d in documents(block(page, "replicas.yaml"))}
    container = safe(kinds["Deployment"], kinds["Service"])
    volumes = kinds["Deployment"]["spec"]["template"]["spec"]["volumes"]
    equal([volumes[0]["persistentVolumeClaim"]["claimName"], volumes[1]["secret"]["secretName"]],
          [kinds["PersistentVolumeClaim"]["metadata"]["name"], kinds["Secret"]["metadata"]["name"]],
          "  its volumes are the claim and the secret")
    equal(kinds["PodDisruptionBudget"]["spec"]["selector"], kinds["Deployment"]["spec"]["selector"],
          "  the budget is for its pods")
    os.makedirs(folder + "/data")
    os.makedirs(folder + "/etc/stele-password")
    write(folder + "/etc/stele-password/password", kinds["Secret"]["stringData"]["password"])
    shell = placed(commands(page, "stele publish /data/devices"), folder)
    data = folder + "/devices.data"

    def publish():
        equal(run(["sh", "-ec", shell], folder)[0], 0, "  the command that publishes")
    write(data, read(os.path.join(ROOT, "example.data")))
    publish()

    def swap():
        with open(data, "a", encoding="utf-8") as file:
            file.write("00000000-0000-4000-8000-000000000001 new\n")
        publish()
    numbers = replica(folder, container, kinds["Secret"]["stringData"]["password"], swap, ["dbsize"])
    equal(numbers, ("300", "301"), "  the number of keys before and after")


# ---- Kubernetes: a cluster ----------------------------------------------------------------------

def placed(text, folder):
    """Replaces the folders of the container by ours."""
    return text.replace("/data", folder + "/data").replace("/etc/", folder + "/etc/")


def init(folder, pod, shard, **environment):
    """Runs the init container of a pod. Returns its exit status and output."""
    container = shard["spec"]["template"]["spec"]["initContainers"][0]
    values = {e["name"]: e["value"] for e in container["env"] if "value" in e}
    values.update(POD_NAME=pod, SOURCE="file://" + folder + "/source", **environment)
    values["PATH"] = folder + "/bin:" + BUILD + ":" + os.environ["PATH"]
    words = container["command"] + [placed(container["args"][0], folder)]
    ended = subprocess.run(words, env=values, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=SECONDS, check=False)
    return ended.returncode, ended.stdout.decode(errors="replace")


def init_container(folder, number, pod, shard, version):
    data = folder + "/data"
    part = "%s/source/%s/devices.%d-of-2.data" % (folder, version, number)
    status, output = init(folder, pod, shard)
    equal(status, 0, "init container of %s: its exit status" % pod, output)
    equal(sorted(os.listdir(data)), [version], "  one version is there")
    equal(sorted(os.listdir(data + "/" + version)), ["devices.data", "devices.data.idx"],
          "  with its index")
    equal(read_bytes("%s/%s/devices.data" % (data, version)), read_bytes(part), "  it is the part")
    os.rename(part, part + ".away")
    equal(init(folder, pod, shard)[0], 0, "  a second run loads nothing")
    os.rename(part + ".away", part)
    other = "%d-of-2" % (3 - number)
    os.rename(folder + "/source/" + version, folder + "/source/next")
    status, output = init(folder, pod, shard, VERSION="next", PART=other)
    ok(status != 0 and not os.path.exists(data + "/next/devices.data"),
       "  the part of the other shard is refused", output)
    equal(init(folder, pod, shard, VERSION="next")[0], 0, "  the next version")
    equal(os.listdir(data), ["next"], "  the version before it is removed")
    os.rename(folder + "/source/next", folder + "/source/" + version)
    os.rename(data + "/next", data + "/" + version)


def server(folder, pod, shard, version):
    """Starts the server with the arguments of the container, and runs the probes."""
    container = shard["spec"]["template"]["spec"]["containers"][0]
    words = [placed(word, folder).replace("$(VERSION)", version).replace("$(POD_NAME)", pod)
             for word in container["args"]]
    # The names of the other pods lead nowhere here.
    words = ["stele-server"] + words + ["--port", "0", "--cluster-node-timeout", "0"]
    with subprocess.Popen(words, executable=BUILD + "/stele-server", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            ready = select.select([process.stdout], [], [], SECONDS)[0]
            line = process.stdout.readline().decode() if ready else ""
            ok(line.startswith("ready "), "server of %s: it starts" % pod, line)
            port = re.search(r":(\d+) ", line).group(1)
            for name in ("readinessProbe", "livenessProbe"):
                probe = probe_command(container, name, port)
                equal(run(probe, REDISCLI_AUTH="secret"), (0, "PONG\n"), "  the %s succeeds" % name)
                equal(run(probe, REDISCLI_AUTH="wrong")[0], 1 if name == "readinessProbe" else 0,
                      "  only the readinessProbe needs the password")
            slots = run(["redis-cli", "-p", port, "cluster", "slots"], REDISCLI_AUTH="secret")[1]
            equal(sorted(set(re.findall(r"stele-[ab]-[01]\.stele\.\S+", slots))),
                  ["stele-%s-%d.stele.default.svc.cluster.local" % (s, i) for s in "ab" for i in (0, 1)],
                  "  CLUSTER SLOTS names the pods")
        finally:
            process.terminate()
    equal(process.returncode, 0, "  its exit status")


def consistent(shard, topology, service):
    """What must be the same in several places."""
    spec = shard["spec"]
    pod = spec["template"]["spec"]
    name = shard["metadata"]["name"]
    equal(spec["serviceName"], service["metadata"]["name"], name + ": the Service")
    pods = ["%s-%d" % (name, i) for i in range(spec["replicas"])]
    equal(re.findall(r"node (%s-\d+) " % name, topology), pods, "  the pods are nodes of the topology")
    labels = spec["template"]["metadata"]["labels"]
    for selector in (spec["selector"]["matchLabels"], service["spec"]["selector"]):
        ok(selector.items() <= labels.items(), "  the selector finds the pods", selector)
    volumes = [v["name"] for v in pod["volumes"]]
    volumes += [v["metadata"]["name"] for v in spec["volumeClaimTemplates"]]
    equal(pod["automountServiceAccountToken"], False, "  no pod may talk to Kubernetes")
    equal(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, "  system calls are filtered")
    for container in pod["initContainers"] + pod["containers"]:
        equal(container["securityContext"], NO_RIGHT, "  the container %s has no right" % container["name"])
        equal(sorted(m["name"] for m in container["volumeMounts"]), sorted(volumes),
              "  the container %s mounts the volumes" % container["name"])


def kubernetes(folder, page):
    kinds = {d["kind"]: d for d in documents(block(page, "stele.yaml"))}
    text = block(page, "stele-a.yaml")
    # The commands derive the second shard from the first.
    write(folder + "/stele-a.yaml", text)
    shell = commands(page, "sed ").split("\n", maxsplit=1)[0]
    equal(run(["sh", "-ec", shell], folder)[0], 0, "the second shard: " + shell)
    shards = [documents(text)[0], documents(read(folder + "/stele-b.yaml"))[0]]
    topology = kinds["ConfigMap"]["data"]["cluster.conf"]
    os.makedirs(folder + "/etc/stele")
    os.makedirs(folder + "/etc/stele-password")
    write(folder + "/etc/stele/cluster.conf", topology)
    write(folder + "/etc/stele-password/password", "secret")
    version = next(e["value"] for e in
                   shards[0]["spec"]["template"]["spec"]["containers"][0]["env"]
                   if e["name"] == "VERSION")
    # A job publishes the parts. curl is replaced, because it may not be installed.
    os.makedirs(folder + "/source/" + version)
    os.makedirs(folder + "/bin")
    write(folder + "/bin/curl", '#!/bin/sh\n[ "$1 $2" = "-fsSR -o" ] && exec cp -p "${4#file://}" "$3"\n',
          0o755)
    os.symlink(os.path.join(ROOT, "example.data"), folder + "/devices.data")
    write(folder + "/cluster.conf", topology)
    shell = commands(page, "stele split devices.data --by slots")
    equal(run(["sh", "-ec", shell], folder)[0], 0, "the commands that publish a version")
    made = re.search(r"--out (\S+)", shell).group(1)
    for path in glob.glob("%s/%s/*" % (folder, made)):
        os.rename(path, "%s/source/%s/%s" % (folder, version, os.path.basename(path)))
    for number, shard in enumerate(shards, 1):
        consistent(shard, topology, kinds["Service"])
        os.makedirs(folder + "/data/2020-01-01")
        pod = shard["metadata"]["name"] + "-1"
        init_container(folder, number, pod, shard, version)
        server(folder, pod, shard, version)
        os.rename(folder + "/data", "%s/data-of-%d" % (folder, number))


scaling = page("scaling.md")
pages = {"docs/scaling.md": scaling, "docs/kubernetes.md": page("kubernetes.md")}
for path, text in pages.items():
    for i, found in enumerate(blocks(text, "yaml"), 1):
        try:
            documents(found)
            ok(True, "%s: YAML block %d" % (path, i))
        except yaml.YAMLError as error:
            ok(False, "%s: YAML block %d" % (path, i), error)
with tempfile.TemporaryDirectory(prefix="stele-recipes-") as place:
    os.mkdir(place + "/envoy")
    envoy_parts(place + "/envoy", scaling)
    os.mkdir(place + "/kubernetes")
    kubernetes(place + "/kubernetes", pages["docs/kubernetes.md"])
    for what in (small, replicas):
        os.mkdir("%s/%s" % (place, what.__name__))
        what("%s/%s" % (place, what.__name__), pages["docs/kubernetes.md"])
done()
