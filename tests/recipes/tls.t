#!/usr/bin/python3
"""Runs the configurations of docs/tls.md: HAProxy, nginx and stunnel accept TLS in front of a server with a
password, and name the clients by the PROXY protocol. Only addresses and paths are changed. The clients are
redis-cli and redis-py. The data is reloaded and the server killed while clients are connected."""
import contextlib
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile

import redis

sys.dont_write_bytecode = True  # no build products among the sources
from page import BUILD, ROOT, SECONDS, block, changed, commands, done, equal, find, free_port, libraries, ok, \
    page, programs, read, run, skip, wait_until, write

PAGE = page("tls.md")
KEY = "0f8fad5b-d9cb-469f-a165-70867728950e"  # as in the page
PASSWORD = "secret"
MAX_CLIENTS = 12  # of a server behind HAProxy, once
MAX_CONNECTIONS = 8  # that HAProxy then passes on to it


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Program:
    """A program that runs until the end of a block."""

    def __init__(self, argv, **environment):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(argv, env=dict(programs(), **environment), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self.log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()

    def text(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")


class Server(Program):
    """The server, with the options of the page. `port` 0: a free one."""

    def __init__(self, folder, port=0):
        options = commands(PAGE, "stele-server").split()[2:]
        options[options.index("/etc/stele/password")] = folder + "/password"
        self.socket = folder + "/socket"
        super().__init__([BUILD + "/stele-server", folder + "/devices.data", "--port", str(port),
                          "--unixsocket", self.socket, "--proxy-protocol", "unix"] + options)
        ready = select.select([self.process.stdout], [], [], SECONDS)[0]
        line = self.process.stdout.readline().decode() if ready else ""
        found = re.search(r":(\d+)\b", line)
        if not found:
            raise RuntimeError("the server does not start: %s%s" % (line, self.text()))
        self.port = int(found.group(1))

    def administrator(self):
        return redis.Redis("127.0.0.1", self.port, password=PASSWORD, decode_responses=True)


def proxy(name, argv, port):
    """Starts a proxy and waits until it accepts connections."""
    program = Program(argv, LD_LIBRARY_PATH=libraries(argv[0]))
    if not wait_until(lambda: accepts(port) or program.process.poll() is not None) or program.process.poll() is not None:
        raise RuntimeError("%s does not start:\n%s" % (name, program.text()))
    return program


# ---- clients ------------------------------------------------------------------------------------

def redis_cli(folder, port, certificate="ca.crt"):
    """Runs the command of the page. Returns its exit status and output."""
    text = changed(commands(PAGE, "redis-cli --tls"), ("/etc/stele/ca.crt", folder + "/" + certificate),
                   ("stele.example.org", "localhost"), ("6380", str(port)))
    return run(text.split(), REDISCLI_AUTH=PASSWORD)


def connected(folder, port, host="127.0.0.1"):
    """Returns a client of redis-py that keeps one connection, and the client's own address."""
    client = redis.Redis(host, port, password=PASSWORD, ssl=True, ssl_ca_certs=folder + "/ca.crt",
                         decode_responses=True, single_connection_client=True)
    return client, "%s:%d" % client.connection._sock.getsockname()[:2]


def keepalive(port, address):
    """Returns after how many seconds the system asks whether the client of a proxy is there, or None."""
    for line in read("/proc/net/tcp").splitlines()[1:]:
        field = line.split()
        ports = [int(end.split(":")[1], 16) for end in field[1:3]]
        timer, left = field[5].split(":")
        if ports == [port, int(address.rsplit(":", 1)[1])] and timer == "02":  # the timer of keepalive
            return int(left, 16) / os.sysconf("SC_CLK_TCK")
    return None


def closes(connection):
    """Waits until the other end closes the connection. Returns whether it does."""
    connection.settimeout(SECONDS)
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def own_address():
    """Returns an address of this machine that is not loopback, or None."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))  # sends nothing
        return s.getsockname()[0]
    return None


def check_clients(name, folder, server, port):
    equal(redis_cli(folder, port), (0, "PONG\n"), name + ": redis-cli over TLS")
    status, output = redis_cli(folder, port, "other.crt")
    ok(status != 0 and "PONG" not in output, "  a certificate of another authority is refused", output)
    program = changed(block(PAGE, "client.py"), ("stele.example.org", "localhost"), ("6380", str(port)),
                      ("/etc/stele/ca.crt", folder + "/ca.crt"),
                      ("health_check_interval", "password=%r, health_check_interval" % PASSWORD))
    equal(run(["/usr/bin/python3", write(folder + "/client.py", program)]), (0, "b'old'\n"),
          "  the program of the page")
    client, address = connected(folder, port)
    equal(client.client_info()["addr"], address, "  CLIENT INFO shows the client's address")
    ok(wait_until(lambda: keepalive(port, address)) and keepalive(port, address) <= 300,
       "  the proxy notices when its machine is gone", keepalive(port, address))
    administrator = server.administrator()
    ok(address in [c["addr"] for c in administrator.client_list()], "  and so does CLIENT LIST")
    # A pipeline, with replies that need many records of TLS.
    equal(client.mget([KEY] * 10000), ["old"] * 10000, "  10,000 values at once")
    equal(client.config_set("slowlog-max-len", "128"), True,
          "  a client on this machine may administer")
    host = own_address()
    if host is None:
        skip("  a client on another host may not", "this machine has no address but loopback")
    else:
        remote, there = connected(folder, port, host)
        equal(remote.client_info()["addr"], there, "  a client at %s" % host)
        try:
            remote.config_set("slowlog-max-len", "128")
            ok(False, "  may not administer")
        except redis.exceptions.ResponseError as error:
            ok("no permissions" in str(error), "  may not administer", error)
        remote.close()
    reload_data(folder, administrator, "new")
    equal((client.get(KEY), client.client_info()["addr"]), ("new", address),
          "  after a reload, the connection gets the new data")
    reload_data(folder, administrator, "old")
    equal(administrator.info("stats")["proxy_header_errors"], 0, "  every header was good")
    administrator.config_set("timeout", 1)
    ok(closes(client.connection._sock), "  --timeout closes an idle client")
    administrator.config_set("timeout", 0)
    client.close()


def reload_data(folder, administrator, value):
    write(folder + "/next.data", "%s %s\n" % (KEY, value))
    os.rename(folder + "/next.data", folder + "/devices.data")
    administrator.execute_command("STELE.RELOAD")


# ---- the proxies --------------------------------------------------------------------------------

def states(path):
    """Returns what HAProxy says of each server: name → (status, result of the last check)."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.sendall(b"show stat\n")
        rows = [line.split(",") for line in s.makefile().read().split("\n") if "," in line]
        table = [dict(zip(rows[0], row)) for row in rows[1:]]
        return {row["svname"]: (row["status"], row["check_status"].lstrip("* ")) for row in table}
    return {}


def becomes(path, wanted):
    wait_until(lambda: states(path).get("a") == wanted)
    return states(path).get("a")


def haproxy_configuration(folder, port):
    lines = re.search(r"Put these lines before the PING:\n\n```text\n(.*?)^```$", PAGE, re.S | re.M).group(1)
    return changed(block(PAGE, "haproxy.cfg"), ("bind :6380", "bind :%d" % port),
                   ("/etc/stele/server.pem", folder + "/server.pem"),
                   ("/run/haproxy/admin.sock", folder + "/admin.sock"),
                   ("maxconn 9000", "maxconn %d" % MAX_CONNECTIONS),
                   ("    tcp-check send PING", lines.replace("PASSWORD", PASSWORD) +
                    "    tcp-check send PING"))


def value_of(client):
    with contextlib.suppress(redis.exceptions.ConnectionError, OSError):
        return client.get(KEY)
    return None


def check_full(folder, server, port, admin):
    """Opens more connections than HAProxy passes on. A health check must still find room."""
    administrator = server.administrator()
    administrator.config_set("maxclients", MAX_CLIENTS)
    clients = [connected(folder, port)[0] for _ in range(MAX_CONNECTIONS)]
    context = ssl.create_default_context(cafile=folder + "/ca.crt")
    excess = [context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
              for _ in range(MAX_CLIENTS)]
    before = administrator.info("commandstats")["cmdstat_ping"]["calls"]
    checked = wait_until(lambda: administrator.info("commandstats")["cmdstat_ping"]["calls"] >= before + 3)
    ok(checked and states(admin).get("a") == ("UP", "L7OK"), "  a server with all its connections is not down",
       states(admin))
    equal(administrator.info("stats")["rejected_connections"], 0, "  it has refused none")
    ok(all([closes(s) for s in excess]), "  HAProxy closes those that find no room")
    equal([value_of(client) for client in clients], ["old"] * MAX_CONNECTIONS, "  the others stay")
    for connection in [client.connection._sock for client in clients] + excess:
        connection.close()
    administrator.config_set("maxclients", 10000)


def haproxy(folder, server):
    program = find("usr/sbin/haproxy")
    port = free_port()
    admin = folder + "/admin.sock"
    configuration = haproxy_configuration(folder, port)
    up = ("UP", "L7OK")
    write(folder + "/haproxy.cfg", changed(configuration, ("127.0.0.1:6379", "127.0.0.1:%d" % server.port)))
    with proxy("HAProxy", [program, "-db", "-f", folder + "/haproxy.cfg"], port):
        equal(becomes(admin, up), up, "HAProxy: the health check, with a password")
        check_full(folder, server, port, admin)
        check_clients("HAProxy", folder, server, port)
        client, _ = connected(folder, port)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        equal(becomes(admin, ("DOWN", "L4CON")), ("DOWN", "L4CON"), "  a killed server is down")
        try:
            client.get(KEY)
            ok(False, "  its clients lose their connections")
        except (redis.exceptions.ConnectionError, OSError):
            ok(True, "  its clients lose their connections")
        with Server(folder, server.port) as again:
            equal(becomes(admin, up), up, "  it is up when it has started again")
            equal(client.get(KEY), "old", "  and the client is served again")
            again.process.send_signal(signal.SIGSTOP)
            equal(becomes(admin, ("DOWN", "L7TOUT")), ("DOWN", "L7TOUT"), "  a server that hangs is down")
            again.process.send_signal(signal.SIGCONT)
            equal(becomes(admin, up), up, "  it is up when it goes on")
            equal(again.administrator().info("stats")["proxy_header_errors"], 0,
                  "  no health check had a bad header")
        client.close()
    with Server(folder) as other:
        write(folder + "/haproxy.cfg", changed(configuration, ("    source 127.0.0.2\n", ""),
                                               ("127.0.0.1:6379", "unix@" + other.socket)))
        with proxy("HAProxy", [program, "-db", "-f", folder + "/haproxy.cfg"], port):
            equal(becomes(admin, up), up, "HAProxy and a unix socket: the health check")
            check_clients("HAProxy and a unix socket", folder, other, port)


def nginx(folder, name, *pairs):
    """Returns a started nginx and its port."""
    port = free_port()
    module = find("usr/lib/nginx/modules/ngx_stream_module.so")
    user = "user root;\n" if os.getuid() == 0 else ""
    text = changed(block(PAGE, "nginx.conf"), ("listen 6380", "listen %d" % port),
                   ("/etc/stele/server.crt", folder + "/server.crt"),
                   ("/etc/stele/server.key", folder + "/server.key"), *pairs)
    write(folder + "/nginx.conf", "load_module %s;\n%sdaemon off;\npid %s/nginx.pid;\nerror_log stderr;\n"
          "events { }\n%s" % (module, user, folder, text))
    program = find("usr/sbin/nginx")
    return proxy(name, [program, "-e", "stderr", "-p", folder, "-c", folder + "/nginx.conf"], port), port


def through_nginx(folder):
    with Server(folder) as server:
        running, port = nginx(folder, "nginx", ("127.0.0.1:6379", "127.0.0.1:%d" % server.port))
        with running:
            check_clients("nginx", folder, server, port)
        running, port = nginx(folder, "nginx", ("127.0.0.1:6379", "unix:" + server.socket),
                              ("        proxy_bind 127.0.0.2;\n", ""))
        with running:
            check_clients("nginx and a unix socket", folder, server, port)


def stunnel(folder):
    port = free_port()
    with Server(folder) as server:
        text = changed(block(PAGE, "stele.conf"), ("accept = 6380", "accept = 0.0.0.0:%d" % port),
                       ("127.0.0.1:6379", "127.0.0.1:%d" % server.port),
                       ("/etc/stele/server.pem", folder + "/server.pem"))
        write(folder + "/stele.conf", "foreground = yes\npid =\n" + text)
        with proxy("stunnel", [find("usr/bin/stunnel4"), folder + "/stele.conf"], port):
            check_clients("stunnel", folder, server, port)


def certificates(folder):
    """Makes a certificate for localhost, which is its own authority, and another authority."""
    host = own_address() or "127.0.0.1"
    for name in ("server", "other"):
        status, output = run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                              "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:" + host,
                              "-keyout", "%s/%s.key" % (folder, name), "-out", "%s/%s.crt" % (folder, name)])
        equal(status, 0, "a certificate", output)
    with open(folder + "/server.crt", encoding="ascii") as certificate, \
            open(folder + "/server.key", encoding="ascii") as key:
        write(folder + "/server.pem", certificate.read() + key.read(), 0o600)
    os.link(folder + "/server.crt", folder + "/ca.crt")


os.chdir(ROOT)
with tempfile.TemporaryDirectory(prefix="stele-tls-") as place:
    certificates(place)
    write(place + "/password", PASSWORD + "\n", 0o600)
    write(place + "/devices.data", "%s old\n" % KEY)
    with Server(place) as first:
        haproxy(place, first)
    through_nginx(place)
    stunnel(place)
done()
