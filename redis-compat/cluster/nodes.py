"""The cluster that `with-cluster` has started, as the checks of this folder see it."""
import binascii
import collections
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import check

SLOTS = 16384
KEYS = 100000  # number of keys of the data


def slot(key):
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


def absent(count):
    """Returns keys that are not in the data, whose slots belong to all shards."""
    return ["ffffffff-eeee-4ddd-8ccc-%012d" % i for i in range(count)]


def canonical(key):
    """Returns the text of the key by which a node finds it: in lower case, except in Redis."""
    return key if check.is_redis() else key.lower()


class Cluster:
    """`ports` are those of the nodes, in the order of `with-cluster`: nodes 2n and 2n + 1 are those
    of shard n, counted from 0."""

    def __init__(self):
        self.ports = [int(word) for word in os.environ["COMPAT_NODES"].split()]
        self.nodes = [check.Connection(check.Address(port, None)) for port in self.ports]
        self.values = {key: value.decode() for key, value in check.records().items()}
        self.shards = [0] * SLOTS
        for first, last, primary, *_ in self.nodes[0].ask("CLUSTER", "SLOTS"):
            shard = self.ports.index(primary[1]) // 2
            self.shards[first:last + 1] = [shard] * (last + 1 - first)
        self.keys = list(self.values)
        self.dice = random.Random(0)  # the keys are random anyway

    def some(self, count):
        """Returns keys in random order."""
        return self.dice.sample(self.keys, count)

    def value(self, key):
        return self.values.get(canonical(key))

    def by_shard(self, keys):
        """Returns a dictionary: shard → the keys whose slots it owns."""
        found = collections.defaultdict(list)
        for key in keys:
            found[self.shards[slot(key)]].append(key)
        return found

    def of_different_slots(self, keys):
        """Returns those of the keys whose slot no key before them has."""
        return list({slot(key): key for key in reversed(keys)}.values())

    def apart(self, keys):
        """Returns two keys that have the same slot, but are in different shards."""
        first = {}
        for key in keys:
            other = first.setdefault(slot(key), key)
            if self.shards[slot(canonical(other))] != self.shards[slot(canonical(key))]:
                return [other, key]
        raise RuntimeError("no two keys have one slot and are in two shards")

    def count_slots(self, keys):
        return len({slot(key) for key in keys})

    def count_away(self, keys):
        """Returns the number of keys that another shard has than the owner of their slot."""
        return sum(self.shards[slot(key)] != self.shards[slot(canonical(key))] for key in keys)

    def redirects(self):
        """Returns how many requests were answered with MOVED, ASK and CROSSSLOT."""
        found = collections.Counter()
        for node in self.nodes:
            info = node.info("errorstats" if check.is_redis() else "cluster")
            for what in ("moved", "ask", "crossslot"):
                count = info.get("errorstat_" + what.upper(), "count=0").removeprefix("count=")
                found[what] += int(info.get("cluster_redirects_" + what, count))
        return found

    def stats(self, field):
        """Returns a field of INFO stats of each node."""
        return [int(node.info("stats")[field]) for node in self.nodes]
