"""Two data files with the same keys and different values, which replace each other while a server
serves them, and requests with the reply that each file gives.

Each replacement begins a new generation: even generations are the first file, odd ones the second. A
generation begins when its file is put at the path that is served. It is acknowledged when the server
has reported that all loops serve it. The class also causes faults of files: it puts something at the
path that is no data file, or damages, replaces or removes an index file.
"""
import os
import shutil

KEYS = 20000
LARGE = range(0, KEYS, 5000)  # their values are 1 MiB
INDEX_FAULTS = ["removed", "cut short", "one byte changed", "replaced by the other file's", "all 0xFF"]
DATA_FAULTS = ["a file with a malformed line", "a compressed file", "a folder", "a FIFO", "no file",
               "a link to itself"]


def key(i):
    return b"00000000-0000-4000-8000-%012d" % i


def value(which, i):
    if i in LARGE:
        length = 1 << 20
    elif i % 500 == 0:
        length = 20000  # sent from the mapping
    else:
        length = (i * 37 + which * 11) % 200
    return b"%s%d:" % ((b"a", b"b")[which], i) + (b"A", b"B")[which] * length


def bulk(text):
    return b"$%d\r\n%s\r\n" % (len(text), text)


class Twins:
    def __init__(self, folder, random):
        self.random = random
        self.live = f"{folder}/live.data"  # the path that is served
        self.fresh = f"{folder}/fresh.data"
        self.files = [f"{folder}/even.data", f"{folder}/odd.data"]
        self.replies = [[bulk(value(which, i)) for i in range(KEYS)] for which in (0, 1)]
        self.begun = self.acknowledged = 0
        for which, order in ((0, 1), (1, -1)):
            with open(self.files[which], "wb") as file:
                for i in range(KEYS)[::order]:
                    file.write(b"%s %s\n" % (key(i), value(which, i)))
        self.place("a changed link")

    # ---- changes of the files -------------------------------------------------------------------

    def place(self, how):
        """Puts the file of the newest generation at the path that is served."""
        file = self.files[self.begun % 2]
        if how == "a changed link":
            os.symlink(file, self.fresh)
        elif how == "a rename":
            os.link(file, self.fresh)
        else:  # a copy; the file that was served before then has no name
            shutil.copyfile(file, self.fresh)
        if os.path.lexists(self.live):
            self.remove()
        os.rename(self.fresh, self.live)

    def remove(self):
        if os.path.isdir(self.live) and not os.path.islink(self.live):
            os.rmdir(self.live)
        else:
            os.unlink(self.live)

    def renew(self):
        """Replaces a data file, which may be served, by a copy of itself with another inode."""
        file = self.random.choice(self.files)
        shutil.copyfile(file, self.fresh)
        os.rename(self.fresh, file)

    def break_data(self, fault):
        """Removes the file at the served path, or replaces it by something that cannot be served."""
        self.remove()
        if fault == "a folder":
            os.mkdir(self.live)
        elif fault == "a FIFO":
            os.mkfifo(self.live)
        elif fault == "a link to itself":
            os.symlink(self.live, self.live)
        elif fault != "no file":
            with open(self.live, "wb") as file:
                file.write(b"%s good\nno record\n" % key(0) if fault == "a file with a malformed line"
                           else b"\x1f\x8b\x08 nothing")

    def break_index(self, fault):
        """Damages, replaces or removes one of the index files. Returns False if there are too few of them.
        A changed file is renamed into place, because the server may have mapped the old one."""
        names = [name + ".idx" for name in [self.live, *self.files]]
        index, other = self.random.sample(names, 2)
        if not os.path.exists(index) or not os.path.exists(other):
            return False
        with open(other if fault == "replaced by the other file's" else index, "rb") as file:
            content = bytearray(file.read())
        if fault == "removed":
            os.unlink(index)
            return True
        if fault == "cut short":
            del content[self.random.randrange(len(content)):]
        elif fault == "one byte changed":
            content[self.random.randrange(len(content))] ^= 1 << self.random.randrange(8)
        elif fault == "all 0xFF":
            content[:] = b"\xff" * len(content)
        with open(self.fresh, "wb") as file:
            file.write(content)
        os.rename(self.fresh, index)
        return True

    # ---- requests, each with the reply of both files --------------------------------------------

    def get(self, random, i=None):
        i = random.randrange(KEYS) if i is None else i
        return b"*2\r\n$3\r\nGET\r\n" + bulk(key(i)), *(each[i] for each in self.replies)

    def mget(self, random, keys=None):
        keys = keys or [random.randrange(KEYS) for _ in
                        range(random.randint(1, 700 if random.random() < 0.05 else 20))]
        head = b"*%d\r\n" % len(keys)
        return (b"*%d\r\n$4\r\nMGET\r\n" % (len(keys) + 1) + b"".join(bulk(key(i)) for i in keys),
                *(head + b"".join(each[i] for i in keys) for each in self.replies))

    def scan(self, random, cursor=None, count=10):
        cursor = random.randrange(KEYS) if cursor is None else cursor
        end = min(cursor + count, KEYS)
        reply = (b"*2\r\n" + bulk(b"%d" % (end % KEYS)) + b"*%d\r\n" % (end - cursor)
                 + b"".join(bulk(key(i)) for i in range(cursor, end)))
        return b"SCAN %d COUNT %d\r\n" % (cursor, count), reply, reply

    def transaction(self, random):
        asked = [self.get(random) for _ in range(random.randint(1, 6))]
        head = b"+OK\r\n" + b"+QUEUED\r\n" * len(asked) + b"*%d\r\n" % len(asked)
        return (b"MULTI\r\n" + b"".join(one[0] for one in asked) + b"EXEC\r\n",
                *(head + b"".join(one[1 + which] for one in asked) for which in (0, 1)))

    def any(self, random):
        kind = random.choice([self.mget, self.transaction, self.scan] + [self.get] * 5)
        return kind(random)
