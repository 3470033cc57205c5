"""Test points (TAP) of scripts."""
import sys

_points = [0, 0]


def ok(passed, name, remark=""):
    """Prints a test point, and the remark if it fails. Returns `passed`."""
    _points[0] += 1
    _points[1] += not passed
    print("%s %d - %s" % ("ok" if passed else "not ok", _points[0], name))
    if not passed and remark:
        print("".join("#   %.2000s\n" % line for line in str(remark).splitlines()[:60]), end="")
    sys.stdout.flush()
    return passed


def equal(got, wanted, name, remark=""):
    return ok(got == wanted, name, "got    %.2000r\nwanted %.2000r\n%s" % (got, wanted, remark))


def skip(name, reason):
    _points[0] += 1
    print("ok %d - %s # SKIP %s" % (_points[0], name, reason))


def done():
    """Prints the plan and ends the test."""
    print("1..%d" % _points[0])
    sys.exit(1 if _points[1] else 0)
