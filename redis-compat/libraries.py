#!/usr/bin/python3
"""Finds the client libraries whose programs are in clients/, write-first/ and cluster/.

A library that the system does not have is unpacked from Debian's packages into
build/redis-compat/libraries, see `install-clients`.

    libraries.py     prints Debian's packages of the libraries that are missing
"""
import glob
import os
import subprocess
import sys

sys.dont_write_bytecode = True  # no build products among the sources
import check

UNPACKED = os.path.join(check.ROOT, "build/redis-compat/libraries")
NODE_MODULES = os.path.join(check.ROOT, "build/redis-compat/node/node_modules")
NODE_NEEDED = 20  # the least version that the clients for Node.js run with
GO = {"GO111MODULE": "off", "GOCACHE": UNPACKED + "/go-cache", "GOFLAGS": "",
      "GOPATH": UNPACKED + "/usr/share/gocode:/usr/share/gocode"}
PACKAGES = {
    "redis-py": ["python3-redis"],
    "redis-asyncio": ["python3-redis"],
    "phpredis": ["php-cli", "php-redis"],
    "predis": ["php-cli", "php-predis"],
    "redis-rb": ["ruby", "ruby-redis"],
    "perl-redis": ["libredis-perl"],
    "perl-redis-fast": ["libredis-fast-perl"],
    "lua-resty-redis": ["lua-nginx-redis", "lua-cjson"],
    "redigo": ["golang-go", "golang-github-gomodule-redigo-dev"],
    "redisc": ["golang-go", "golang-github-mna-redisc-dev"],
    "go-redis": ["golang-go", "golang-gopkg-redis.v5-dev"],
    "ioredis": ["npm"], "iovalkey": ["npm"], "node-redis": ["npm"], "valkey-glide": ["npm"],
    "redis-commander": ["npm"],
}
# Libraries whose packages `install-clients` unpacks. .ci/need installs those of Python.
UNPACKABLE = ("phpredis", "predis", "redis-rb", "perl-redis", "perl-redis-fast", "lua-resty-redis",
              "redigo", "redisc", "go-redis")
# What a program imports, if the name is not that of the library.
PYTHON_MODULES = {"redis-py": "redis", "redis-asyncio": "redis.asyncio"}
PERL_MODULES = {"perl-redis": "Redis", "perl-redis-fast": "Redis::Fast"}
GO_IMPORTS = {"redigo": "github.com/gomodule/redigo/redis", "redisc": "github.com/mna/redisc",
              "go-redis": "gopkg.in/redis.v5"}
NPM_NAMES = {"node-redis": "redis", "valkey-glide": "@valkey/valkey-glide"}


def unpacked(pattern):
    return sorted(glob.glob(os.path.join(UNPACKED, pattern)))


def environment():
    """Returns an environment in which unpacked programs find their libraries."""
    return dict(os.environ, LC_ALL="C", LD_LIBRARY_PATH=check.library_path(UNPACKED), NODE_PATH=NODE_MODULES, **GO)


def answer(argv):
    """Returns what a program prints, or None if it does not exist or fails."""
    try:
        ended = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, env=environment(), check=False)
    except OSError:
        return None
    return ended.stdout.decode().strip() if ended.returncode == 0 else None


# Each of these functions yields ways to run a library, those of the system first. A way is a pair
# of commands: one prints the version, the other is the beginning of a command that runs a program.

def python_commands(name):
    python = ["/usr/bin/python3", "-B"]
    yield (python + ["-c", "import redis, %s; print(redis.__version__)" % PYTHON_MODULES[name]],
           python)


def php_commands(name):
    # The replies exceed PHP's default limit of 128 MB.
    options = ["-d", "memory_limit=-1"]
    loaded = ["-n"] + options
    for extension in ("igbinary", "redis"):
        for path in unpacked("usr/lib/php/*/%s.so" % extension)[:1]:
            loaded += ["-d", "extension=" + path]
    if name == "phpredis":
        version = "if (!phpversion('redis')) exit(1); echo phpversion('redis');"
    else:
        place = "include_path=%s/usr/share/php:/usr/share/php" % UNPACKED
        options, loaded = options + ["-d", place], loaded + ["-d", place]
        version = "require 'Predis/Autoloader.php'; Predis\\Autoloader::register(); " \
                  "echo Predis\\Client::VERSION;"
    for php in ["php"] + unpacked("usr/bin/php[0-9]*"):
        for argv in ([php] + options, [php] + loaded):
            yield argv + ["-r", version], argv


def ruby_commands(_):
    gem = [word for lib in unpacked("usr/share/rubygems-integration/all/gems/redis-[0-9]*/lib")
           for word in ("-I", lib)]
    core = [word for folder in unpacked("usr/lib/ruby/[0-9]*") +
            unpacked("usr/lib/*-linux-gnu/ruby/[0-9]*") for word in ("-I", folder)]
    ways = [["ruby"], ["ruby"] + gem]
    ways += [[ruby, "--disable-gems"] + gem + core for ruby in unpacked("usr/bin/ruby[0-9]*")]
    for argv in ways:
        yield argv + ["-r", "redis", "-e", "print Redis::VERSION"], argv


def perl_commands(name):
    module = PERL_MODULES[name]
    folders = [word for folder in unpacked("usr/share/perl5") +
               unpacked("usr/lib/*-linux-gnu/perl5/5.*") for word in ("-I", folder)]
    for perl in (["perl"], ["perl"] + folders):
        yield perl + ["-M" + module, "-MJSON::PP", "-e", "print %s->VERSION" % module], perl


def lua_places():
    """Returns what an nginx needs to find Lua's modules, of the system or unpacked."""
    roots = [UNPACKED + "/usr", "/usr"]
    modules = [module for name in ("ndk_http", "ngx_http_lua") for module in
               [path for root in roots for path in
                glob.glob("%s/lib/nginx/modules/%s_module.so" % (root, name))][:1]]
    return {"modules": "\n".join("load_module %s;" % path for path in modules),
            "scripts": ";".join("%s/share/lua/5.1/?.lua" % root for root in roots),
            "libraries": ";".join(place + "/lua/5.1/?.so" for root in roots for place in
                                  glob.glob(root + "/lib/*-linux-gnu"))}


def lua_commands(_):
    for root, nginx in (("", "nginx"), ("", "/usr/sbin/nginx"),
                        (UNPACKED, UNPACKED + "/usr/sbin/nginx")):
        shown = "s/^_M._VERSION = '\\(.*\\)'$/\\1/p"
        yield (["sh", "-c", '"$1" -v 2>&1 >/dev/null | grep -q version && sed -n "$2" "$3"', "sh",
                nginx, shown, root + "/usr/share/lua/5.1/nginx/redis.lua"], [nginx])


def go_commands(name):
    for go in ["go"] + unpacked("usr/lib/go-*/bin/go"):
        yield [go, "list", "-f", "{{.Dir}}", GO_IMPORTS[name]], [go]


def node_commands(name):
    package = os.path.join(NODE_MODULES, NPM_NAMES.get(name, name), "package.json")
    yield (["node", "-e", "if (parseInt(process.versions.node) < %d) process.exit(1); "
            "console.log(require('%s').version, 'on Node', process.versions.node)"
            % (NODE_NEEDED, package)], ["node"])


COMMANDS = {
    "redis-py": python_commands, "redis-asyncio": python_commands, "phpredis": php_commands,
    "predis": php_commands, "redis-rb": ruby_commands, "perl-redis": perl_commands,
    "perl-redis-fast": perl_commands, "lua-resty-redis": lua_commands, "redigo": go_commands,
    "redisc": go_commands, "go-redis": go_commands, "ioredis": node_commands,
    "iovalkey": node_commands, "node-redis": node_commands, "valkey-glide": node_commands,
    "redis-commander": node_commands,
}


def find(name):
    """Returns the version and the beginning of a command of the first way that works, or None."""
    for version, argv in COMMANDS[name](name):
        printed = answer(version)
        if printed:
            return printed, argv
    return None


def compiled(go, name, sources):
    """Compiles a program in Go and returns its command. A compiler error ends the check."""
    program = os.path.join(check.ROOT, "build/redis-compat", name)
    ended = subprocess.run([go, "build", "-o", program] + sources,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env=environment(), check=False)
    if ended.returncode != 0:
        sys.exit("%s: %s" % (name, ended.stdout.decode(errors="replace")))
    return [program]


def command(name, sources):
    """Returns the version of a library, and the command that runs a program with it. A program in
    Go may have several sources. Skips the check if the library is not available."""
    found = find(name)
    if found is None:
        check.skip_all("neither installed nor unpacked: " + ", ".join(PACKAGES[name]))
    version, argv = found
    if COMMANDS[name] is not go_commands:
        return version, argv + sources
    version = "%s with %s" % (check.package_version(PACKAGES[name][1], "libraries"),
                              answer([argv[0], "version"]).split()[2])
    place = os.path.basename(os.path.dirname(sources[0])) + "-" + name
    return version, compiled(argv[0], place, sources)


if __name__ == "__main__":
    print(" ".join(sorted({package for library in UNPACKABLE if find(library) is None
                           for package in PACKAGES[library]})))
