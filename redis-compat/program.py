"""A program that answers questions, for the checks of libraries in other languages.

The program reads a question from each line of its input, and prints the answer on a line. Both are
JSON. A question is an object whose "do" says what to do. If the program cannot do it, the answer is
an object whose "error" says why.
"""
import contextlib
import json
import select
import signal
import subprocess

import libraries

PATIENCE = 30  # seconds to wait for an answer


def answer_in(line):
    """Returns the answer in a line. Raises RuntimeError if the answer is an error."""
    answer = json.loads(line)
    if isinstance(answer, dict):
        raise RuntimeError(answer["error"])
    return answer


class Program:
    """A running program. At most one exists in a process, because it uses the signal SIGALRM."""

    def __init__(self, argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=libraries.environment())
        signal.signal(signal.SIGALRM, self.late)

    def late(self, *_):
        self.process.kill()

    def send(self, do, **words):
        """Asks a question. The caller must read the answer with `receive`, in time."""
        signal.alarm(PATIENCE)
        self.process.stdin.write(json.dumps(dict(words, do=do)) + "\n")
        self.process.stdin.flush()

    def receive(self):
        """Returns the next answer. Raises RuntimeError if it is an error, or the program ends."""
        try:
            line = self.process.stdout.readline()
        finally:
            signal.alarm(0)
        if not line:
            raise RuntimeError("no answer within %d s, or the program has ended" % PATIENCE)
        return answer_in(line)

    def answers(self, seconds):
        """Waits for an answer at most so long. Returns true if there is one."""
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def ask(self, do, **words):
        """Asks a question and returns the answer. Raises RuntimeError as `receive` does, and
        BrokenPipeError if the program has ended before."""
        self.send(do, **words)
        return self.receive()

    def end(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
