#!/usr/bin/env python3
"""`stele top` in real terminals, which tmux makes: at two sizes, during a reload, with a server that is killed, started
again, or hangs. However it ends, the terminal is as before. Then the plain output.

The server listens on a Unix socket, so that it has the same address after it was started again."""
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time

sys.dont_write_bytecode = True  # no build products among the sources
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import done, equal, ok

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.abspath(os.environ.get("STELE_BUILD", "build/release"))
STELE = BUILD + "/stele"
KEY = "3479d894-3271-4935-88cf-a06f3cbb80a5"
SECONDS = 60  # to wait for anything
os.environ.pop("REDISCLI_AUTH", None)
os.environ.pop("COLUMNS", None)
os.environ.pop("TMUX", None)


def await_true(question):
    """Asks again until the answer is true, or the time is over. Returns the last answer."""
    until = time.monotonic() + SECONDS
    while not (answer := question()) and time.monotonic() < until:
        time.sleep(0.02)
    return answer


class Server:
    def __init__(self, folder):
        self.folder = folder
        self.address = folder + "/socket"
        self.start()

    def start(self):
        self.program = subprocess.Popen(
            [BUILD + "/stele-server", self.folder + "/served.data", "--port", "0", "--unixsocket", self.address,
             "--index", "none", "--threads", "2", "--reload-verify", "test ! -e %s/gate || cat %s/gate" % (self.folder, self.folder)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.program.stdout.readline()

    def end(self, number):
        self.program.send_signal(number)
        return self.program.wait()


class Load(threading.Thread):
    """Asks for a key that exists and for one that does not, until it is stopped or the server is gone."""
    def __init__(self, address):
        super().__init__(daemon=True)
        self.going = True
        self.address = address
        self.start()

    def run(self):
        request = b"GET %s\r\nGET ffffffff-ffff-ffff-ffff-fffffffffffe\r\n" % KEY.encode()
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.address)
            while self.going:
                connection.sendall(request)
                got = b""
                while got.count(b"\r\n") < 3:
                    got += connection.recv(4096)

    def stop(self):
        self.going = False
        self.join()


class Terminal:
    """A shell in a terminal. It prints a line first, which must be there again afterwards."""
    def __init__(self, folder, columns, rows):
        self.socket = tempfile.mktemp(prefix="tmux-", dir=folder)
        self.pid_file = folder + "/pid"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "env PS1='ready> ' ENV= sh -i")
        self.see(r"^ready>", "a terminal of %d x %d" % (columns, rows))
        self.lines = 0
        self.write_line()

    def write_line(self):
        """The shell prints another line on an empty screen."""
        self.lines += 1
        self.type("clear; echo line n''umber %d" % self.lines)
        self.see(r"\Aline number %d$" % self.lines, "line %d" % self.lines)

    def has_line(self, shown):
        return re.search(r"^line number %d$" % self.lines, shown, re.M)

    def tmux(self, *words):
        return subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, timeout=60).stdout

    def shown(self):
        return self.tmux("capture-pane", "-p")

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def key(self, key):
        self.tmux("send-keys", key)

    def wait(self, pattern):
        """Returns what is shown when it matches, or at last."""
        await_true(lambda: re.search(pattern, self.shown(), re.M))
        return self.shown()

    def see(self, pattern, name):
        shown = []
        def look():
            shown[:] = [self.shown()]
            return re.search(pattern, shown[0], re.M)
        found = await_true(look)
        ok(found, name, shown[0])
        return shown[0]

    def start(self, words):
        if os.path.exists(self.pid_file):
            os.unlink(self.pid_file)
        self.type("sh -c 'echo $$ >%s; exec %s %s'" % (self.pid_file, STELE, words))
        await_true(lambda: os.path.exists(self.pid_file) and os.path.getsize(self.pid_file) > 0)
        with open(self.pid_file) as file:
            return int(file.read())

    def is_as_before(self, status, name):
        """The program has ended, and the terminal is as it was before."""
        self.see(r"^ready>$", name + ": the shell is there")
        self.type("echo the status is $?")
        shown = self.see(r"^the status is \d+$", name + ": the shell goes on")
        ok(self.has_line(shown) and "q quits" not in shown, name + ": the lines from before are there", shown)
        ok(re.search(r"^the status is %s$" % status, shown, re.M), name + ": exit status", shown)
        equal(self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{wrap_flag}").split(), ["0", "1", "1"],
              name + ": the screen, the cursor and long lines are as before")
        self.type("stty -a | tr ' ;' '\\n\\n' | grep -x -e '-*echo' -e '-*icanon' | sort | tr '\\n' . ; echo ':e'nd")
        self.see(r"^echo\.icanon\.:end$", name + ": keys are echoed")
        self.write_line()

    def close(self):
        self.tmux("kill-server")


def check_page(shown, columns, rows, name):
    lines = shown.split("\n")[:-1]
    equal(len(lines), rows, name + ": rows")
    ok(max(map(len, lines)) <= columns, name + ": columns", shown)
    ok(lines[-1].startswith("q quits"), name + ": the last line", shown)
    for pattern in (r"^stele \S+ at \S+, up for \d+ ", r"^data +ok, version \S+, made \d+ \w+ ago, served for \d+ ", r"^ +300 keys, ",
                    r"^index +memory, ", r"^reload +none yet; 0 done, 0 failed$", r"^clients +\d+ of [\d,]+; 0 refused, 0 evicted$",
                    r"^memory +[\d.]+ \w+ own, ", r"^cold +0 lookups/s, ", r"^work +[\d,.]+ commands/s, [\d,]+ hits/s \(50\.\d %\), ",
                    r"^ +[\d.]+ errors/s, ", r"^loops +0: \d+ clients?, \S+ reads/s +1: \d+ clients?, ",
                    r"^command +calls/s +calls +mean us +p50 us +p99 us +errors$",
                    r"^get +[\d,]+ +[\d,]+ +[\d.]+ +[\d.]+ +[\d.]+ +0$", r"^info +"):
        ok(re.search(pattern, shown, re.M), "%s: a line like %s" % (name, pattern), shown)


if not shutil.which("tmux"):
    print("1..0 # SKIP tmux is not there")
    sys.exit(0)

with tempfile.TemporaryDirectory(prefix="stele-top-") as folder:
    data = folder + "/served.data"
    shutil.copy("example.data", data)
    server = Server(folder)

    # ---- two sizes, and a change of the size -------------------------------------------------------------------

    for columns, rows in ((80, 24), (200, 50)):
        name = "%d x %d" % (columns, rows)
        terminal = Terminal(folder, columns, rows)
        load = Load(server.address)
        terminal.start("top %s --interval 0.3" % server.address)
        check_page(terminal.wait(r"\(50\.\d %\)[\s\S]*^get +[\d,]+ +[\d,]"), columns, rows, name)
        terminal.tmux("resize-window", "-x", "100", "-y", "30")
        await_true(lambda: len(terminal.shown().split("\n")) == 31 and terminal.shown().split("\n")[-2].startswith("q quits"))
        check_page(terminal.wait(r"\(50\.\d %\)[\s\S]*^q quits\s*\Z"), 100, 30, name + ", then 100 x 30")
        load.stop()
        terminal.tmux("resize-window", "-x", str(columns), "-y", str(rows))
        terminal.key("q")
        terminal.is_as_before(0, name)
        terminal.close()

    # ---- reloads -----------------------------------------------------------------------------------------------

    terminal = Terminal(folder, 80, 24)
    terminal.start("top %s --interval 0.3" % server.address)
    terminal.wait("^reload +none yet")
    os.mkfifo(folder + "/gate")
    with open(data + ".new", "w") as file:
        file.writelines("00000000-0000-4000-8000-%012d value\n" % number for number in range(250))
    os.rename(data + ".new", data)
    server.program.send_signal(signal.SIGHUP)
    terminal.see(r"^reload +IN PROGRESS for \d+ s; none yet; 0 done", "a reload in progress")
    with open(folder + "/gate", "w"):
        pass
    terminal.see(r"^reload +last succeeded \d+ s ago in [\d.]+ s; 1 done, 0 failed$", "it is done")
    terminal.see(r"^ +250 keys, ", "the new data")
    os.unlink(folder + "/gate")
    with open(data + ".new", "w") as file:
        file.write("no record\n")
    os.rename(data + ".new", data)
    server.program.send_signal(signal.SIGHUP)
    shown = terminal.see(r"^reload +last FAILED \d+ s ago in [\d.]+ s; 1 done, 1 failed$", "a reload that fails")
    ok(re.search(r"^ +\S+: 1 of 1 lines malformed$", shown, re.M), "the reason", shown)
    shutil.copy("example.data", data + ".new")
    os.rename(data + ".new", data)

    # ---- the server is killed, and started again ---------------------------------------------------------------

    server.end(signal.SIGKILL)
    shown = terminal.see(r"^q quits  \d\d:\d\d:\d\d \S+: Connection refused", "the server is killed")
    ok(re.search(r"^ +250 keys, ", shown, re.M), "the last figures are still there", shown)
    server.start()
    shown = terminal.see(r"^q quits  \d\d:\d\d:\d\d the server has started again$", "the server is started again")
    terminal.see(r"^ +300 keys, ", "its data")
    server.program.send_signal(signal.SIGSTOP)
    terminal.see(r"^q quits  .*: no answer in time; tr", "the server hangs")
    server.program.send_signal(signal.SIGCONT)
    terminal.see(r"^q quits  \d\d:\d\d:\d\d the server answers again$", "it goes on")
    server.program.send_signal(signal.SIGSTOP)
    terminal.see(r"^q quits  .*: no answer in time; tr", "the server hangs again")
    terminal.key("q")
    terminal.is_as_before(0, "q while the server hangs")
    server.program.send_signal(signal.SIGCONT)

    # ---- other ends --------------------------------------------------------------------------------------------

    terminal.start("top %s" % server.address)
    terminal.wait("^q quits")
    terminal.key("C-c")
    terminal.is_as_before(130, "Ctrl-C")
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM):
        pid = terminal.start("top %s" % server.address)
        terminal.wait("^q quits")
        os.kill(pid, number)
        terminal.is_as_before(128 + number, number.name)
    terminal.start("top %s" % server.address)
    terminal.wait("^q quits")
    terminal.key("C-z")
    shown = terminal.see(r"^ready>$", "Ctrl-Z: the shell is there")
    ok(terminal.has_line(shown), "with the lines from before", shown)
    terminal.type("stty -a | tr ' ;' '\\n\\n' | grep -x -e '-*echo' -e '-*icanon' | sort | tr '\\n' . ; echo ':e'nd")
    terminal.see(r"^echo\.icanon\.:end$", "and keys are echoed")
    terminal.type("fg; echo the status is $?")
    terminal.see("^q quits", "fg: the page is there again")
    terminal.key("q")
    terminal.see(r"^the status is 0$", "q ends it")
    pid = terminal.start("top %s" % server.address)
    terminal.wait("^q quits")
    os.kill(pid, signal.SIGSTOP)
    terminal.see(r"^ready>$", "SIGSTOP: the shell is there")
    terminal.type("clear; stty sane; fg")
    terminal.see("^q quits", "fg: the page is there again")
    terminal.key("q")
    terminal.is_as_before(0, "q after SIGSTOP")
    # Without a shell that could continue it, Ctrl-Z must not stop the program for good.
    terminal.tmux("new-window", "sh", "-c", "trap '' TSTP; %s top %s; true" % (STELE, server.address))
    terminal.wait("^q quits")
    terminal.key("C-z")
    terminal.tmux("resize-window", "-x", "70", "-y", "20")
    terminal.see(r"\A(.{1,70}\n|\n){19}q quits", "SIGTSTP is ignored: the page goes on after Ctrl-Z")
    terminal.tmux("resize-window", "-x", "80", "-y", "24")
    terminal.key("q")
    ok(await_true(lambda: len(terminal.tmux("list-windows").split("\n")) == 2), "SIGTSTP is ignored: q ends it")
    pid, alone = pty.fork()  # tmux itself would continue the program
    if pid == 0:
        os.execve(STELE, [STELE, "top", server.address], {"TERM": "xterm"})
    written = b""
    for keys, awaited in ((b"", b"q quits"), (b"\x1a", b"\x1b[?1049h"), (b"", b"q quits"), (b"q", b"\x1b[?1049l")):
        os.write(alone, keys)
        written = b""
        while awaited not in written and select.select([alone], [], [], SECONDS)[0]:
            written += os.read(alone, 65536)
        ok(awaited in written, "no shell waits: %r after %r" % (awaited, keys), written)
    os.kill(pid, signal.SIGCONT)
    equal(os.waitpid(pid, 0)[1], 0, "no shell waits: q ends it")
    os.close(alone)
    pid, stopped = pty.fork()
    if pid == 0:
        os.execve(STELE, [STELE, "top", server.address, "--interval", "0.1"], {"TERM": "xterm"})
    while select.select([stopped], [], [], SECONDS)[0] and b"q quits" not in os.read(stopped, 65536):
        pass
    with open("/proc/%d/fd/0" % pid, "rb", buffering=0, opener=lambda path, _: os.open(path, os.O_RDWR | os.O_NOCTTY)) as tty:
        termios.tcflow(tty, termios.TCOOFF)  # as Ctrl-S does: it takes no more output
    os.kill(pid, signal.SIGTERM)
    ended = await_true(lambda: (os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)))
    equal(ended and ended.si_status, signal.SIGTERM, "SIGTERM while the terminal takes no output")
    os.close(stopped)
    terminal.type("TERM=dumb %s top %s" % (STELE, server.address))
    terminal.see(r"^command +calls/s", "a terminal that can show no page gets lines")
    terminal.key("C-c")
    terminal.close()

    # ---- plain output ------------------------------------------------------------------------------------------

    def run(*words, **environment):
        done = subprocess.run([STELE, "top", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              env={**os.environ, **environment})
        return done.returncode, done.stdout, done.stderr

    status, shown, said = run(server.address, "--once", "--interval", "0.2")
    equal((status, said), (0, ""), "--once")
    ok(shown.startswith("stele ") and shown.count("\nwork ") == 1 and "\x1b" not in shown, "one block of plain lines", shown)
    ok(max(map(len, shown.split("\n"))) <= 80, "it has 80 columns", shown)
    ok(max(map(len, run(server.address, "--once", "--interval", "0.1", COLUMNS="60")[1].split("\n"))) == 60, "or those of COLUMNS")
    program = subprocess.Popen([STELE, "top", server.address, "--interval", "0.1"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    blocks = []
    for line in program.stdout:
        blocks.append(line)
        if sum(line.startswith("stele ") for line in blocks) == 3:
            break
    ok(all(a == "\n" for a, b in zip(blocks, blocks[1:]) if b.startswith("stele ")), "an empty line between two blocks", blocks)
    server.end(signal.SIGKILL)
    said = next((line for line in program.stdout if "trying again" in line), "")
    ok(re.match(r"\d\d:\d\d:\d\d .*; trying again$", said), "the server is killed", said)
    server.start()
    said = next((line for line in program.stdout if "started again" in line), "")
    ok(said, "the server is started again")
    program.terminate()
    program.stdout.close()
    equal(program.wait(), -signal.SIGTERM, "SIGTERM")
    equal(server.end(signal.SIGTERM), 0, "the server ends well")
    equal(run(server.address, "--once")[:2], (2, ""), "no server")
    for words in (["--interval", "0"], ["--interval", "x"], ["--interval", "1e3"]):
        equal(run(server.address, *words)[0], 2, "wrong usage: %s" % words)

    # ---- a hostile server --------------------------------------------------------------------------------------

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(folder + "/hostile")
    listener.listen()
    text = (b"stele_version:\x1b[2J\r\nuptime_in_seconds:99999999999999999999\r\ndataset_version:" + b"v" * 9000 +
            b"\r\ndataset_keys:-1\r\ndataset_bytes:1e5\r\nmaxclients:99999999999999999999\r\nio_thread_0:clients=99999999999999999999,reads=1\r\n"
            + b"".join(b"cmdstat_c%d\x1b[1m:calls=99999999999999999999,usec_per_call=0.1,failed_calls=0\r\n" % n for n in range(3000)))

    def serve():
        client, _ = listener.accept()
        while client.recv(4096):
            client.sendall(b"$%d\r\n%s\r\n" % (len(text), text))
    threading.Thread(target=serve, daemon=True).start()
    status, shown, said = run(folder + "/hostile", "--once", "--interval", "0.1")
    equal((status, said), (0, ""), "a hostile server")
    ok(not re.search(r"[^\n -~]", shown) and max(map(len, shown.split("\n"))) <= 80, "nothing controls the terminal", shown)

done()
