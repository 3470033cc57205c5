# Stele. `make help` lists what can be made.
#
# The same rules build several flavours side by side, each in build/FLAVOUR/. `release` is what users
# run; build/ has links to its programs. `asan` has the address and undefined-behaviour sanitizers,
# `tsan` the thread sanitizer. The others are for fuzzing, for coverage and for tests/sharing/.

CC ?= cc
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
# Programs that .ci/need has unpacked instead of installing them.
export PATH := $(PATH):$(CURDIR)/build/services/bin
# Where `make install` installs. DESTDIR is put before each of these.
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
DOCDIR ?= $(DATADIR)/doc/stele
BASHDIR ?= $(DATADIR)/bash-completion/completions
ZSHDIR ?= $(DATADIR)/zsh/site-functions
# The folder where systemd looks for units that do not come from the distribution.
UNITDIR ?= $(PREFIX)/lib/systemd/system
LOGROTATEDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)/logrotate.d

VERSION := $(shell sed -n 's/^.define STELE_VERSION "\(.*\)"/\1/p' src/base/version.h)
# A program that was linked with libstele.so asks for the file of this name.
SONAME := libstele.so.$(firstword $(subst ., ,$(VERSION)))
# As many jobs as cores, unless make was called with -j.
CORES := $(shell nproc 2>/dev/null || echo 1)
JOBS = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(CORES))

# ---- flags: CFLAGS, CPPFLAGS and LDFLAGS of the user come last ----------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
            -Wconversion -Wno-missing-field-initializers $(if $(WERROR),-Werror)
COMPILE := -std=gnu11 -D_GNU_SOURCE -pthread -Isrc -Itests -MMD -MP $(WARNINGS)
# _FORTIFY_SOURCE works only with optimisation. Some compilers define it themselves. If the flags of the
# user define it, a second definition would be a warning for each file.
FORTIFY := $(if $(filter -O1 -O2 -O3 -Os -Ofast,$(CFLAGS)),-D_FORTIFY_SOURCE=2)
HARDEN := -U_FORTIFY_SOURCE $(if $(findstring _FORTIFY_SOURCE=,$(CFLAGS) $(CPPFLAGS)),,$(FORTIFY)) \
          -fstack-protector-strong -fPIE
LINK := -pthread -fPIE -pie -Wl,-z,relro,-z,now
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
# gold links a program with sanitizers in a third of the time that the default linker takes. Without
# gold, the default linker is used. The released programs are always linked by the default linker.
FAST_LINK := $(if $(shell $(CC) -fuse-ld=gold -Wl,--version 2>/dev/null),-fuse-ld=gold)

release_FLAGS = $(HARDEN) $(CFLAGS) $(CPPFLAGS)
release_LINK = $(LINK) $(CFLAGS) $(LDFLAGS)
# -g1 is enough for stack traces of the sanitizers, and halves the time to build.
# It leaves out the local variables of functions. `make CPPFLAGS=-g ...` adds them, for a debugger.
OPTIMISE = -O1
asan_FLAGS = -U_FORTIFY_SOURCE $(OPTIMISE) -g1 $(SANITIZE) -fno-omit-frame-pointer $(CPPFLAGS)
asan_LINK = -pthread $(SANITIZE) $(FAST_LINK) $(LDFLAGS)
# Tests start the server and the tool hundreds of times. Start and end take 0.06 CPU seconds instead
# of 0.10 when the libraries of the sanitizers are linked statically. gcc can do that. For a compiler
# that cannot, asan_STATIC is empty.
STATIC := -static-libasan -static-libubsan
asan_STATIC = $(shell mkdir -p build/asan && echo 'int main(void) { return 0; }' | \
                $(CC) $(SANITIZE) $(STATIC) -Werror -x c -o build/asan/probe - 2>/dev/null && echo $(STATIC))
tsan_FLAGS = -U_FORTIFY_SOURCE -O1 -g1 -fsanitize=thread $(CPPFLAGS)
tsan_LINK = -pthread -fsanitize=thread $(FAST_LINK) $(LDFLAGS)
# In the flavour fuzz only fuzz targets are linked. Their main function is that of libFuzzer, which
# only clang has.
FUZZ_CC ?= clang
fuzz_FLAGS = -U_FORTIFY_SOURCE -O1 -g -fsanitize=fuzzer-no-link $(SANITIZE) \
             -fno-omit-frame-pointer $(CPPFLAGS)
fuzz_LINK = -pthread -fsanitize=fuzzer $(SANITIZE) $(LDFLAGS)
build/fuzz/%: override CC = $(FUZZ_CC)
# Tests are compiled without optimisation, because optimising takes longer than running them.
# FLAVOUR_OTHER_FLAGS are the flags of objects that are compiled in another way than the rest of their
# flavour. They have a variable of their own, so that build/FLAVOUR/flags changes with them.
asan_OTHER_FLAGS = -O0
build/asan/tests/unit/%.o build/asan/tests/integration/%.o build/asan/tests/faults/%.o \
    build/asan/tests/fuzz/%.o: private OPTIMISE = $(asan_OTHER_FLAGS)

# Counts how often each line runs. When several threads run a line at the same time, some of these runs
# may not be counted, but at least one is.
coverage_FLAGS = -U_FORTIFY_SOURCE -O1 --coverage $(CPPFLAGS)
coverage_LINK = -pthread --coverage $(LDFLAGS)
# All objects are linked into each test, so that a file that no test calls is counted, too.
coverage_PARTS = -Wl,--whole-archive build/coverage/parts.a -Wl,--no-whole-archive

# The compiler turns each access to memory into a call, as for the thread sanitizer. The functions
# called are those of tests/sharing/hooks.c.
sharing_FLAGS = $(tsan_FLAGS)
sharing_LINK = -pthread $(LDFLAGS)
sharing_OTHER_FLAGS = -O2 -g
build/sharing/tests/sharing/hooks.o: private sharing_FLAGS = $(sharing_OTHER_FLAGS)

# The objects of the shared library.
shared_FLAGS = $(filter-out -fPIE,$(HARDEN)) -fPIC -fno-semantic-interposition $(CFLAGS) $(CPPFLAGS)
shared_LINK = -shared -pthread -Wl,-z,relro,-z,now,-z,defs $(CFLAGS) $(LDFLAGS)

FLAVOURS := release shared asan tsan sharing fuzz coverage

# ---- sources, and the programs that they are linked into ----------------------------------------

DATA := $(wildcard src/base/*.c src/data/*.c src/data/build/*.c)
CLUSTER := $(wildcard src/cluster/*.c)
RDB := $(wildcard src/rdb/*.c)
SERVER := $(DATA) $(CLUSTER) $(RDB) \
          $(wildcard src/resp/*.c src/metrics/*.c src/serve/*.c src/commands/*.c src/net/*.c) \
          src/options.c src/files.c src/main.c
TOOL := $(DATA) $(CLUSTER) $(RDB) $(wildcard src/client/*.c src/tool/*.c) src/stele.c
# Everything except the two main functions. Tests are linked with it.
PARTS := $(filter-out src/main.c src/stele.c,$(sort $(SERVER) $(TOOL)))
SUPPORT := $(wildcard tests/support/*.c)
# tests/unit/FOLDER/ has the tests of src/FOLDER/. The unit tests share tests/unit/support/.
UNIT_SUPPORT := $(wildcard tests/unit/support/*.c)
UNIT := $(filter-out $(UNIT_SUPPORT),$(wildcard tests/unit/*.c tests/unit/*/*.c))
INTEGRATION := $(wildcard tests/integration/*.c)
# Each test belongs to a row of docs/faults.md and is named after it. Tests that take over a minute
# are in long/. Tests in within/ run parts of the server in their own process, and make calls of these
# parts fail, such as malloc or mmap (FAILING).
FAULTS_WITHIN := $(wildcard tests/faults/within/*.c)
FAULTS := $(wildcard tests/faults/*.c) $(FAULTS_WITHIN)
FAULT_SUPPORT := $(wildcard tests/faults/support/*.c)
LONG_FAULTS := $(wildcard tests/faults/long/*.c)
SCRIPTS := $(wildcard tests/integration/*.t)
FAULT_SCRIPTS := $(wildcard tests/faults/*.t)
LONG_SCRIPTS := $(wildcard tests/faults/long/*.t)
# The programs that write pages, or parts of them.
DOCS := $(addprefix build/release/docs/,commands options scaling man completion)
# The manual pages, and the files of shell completion.
MAN := stele-server.8 stele.1 stele.3
COMPLETION := docs/packaging/completion
# The clients of redis-compat/ that are written in C.
CLIENTS := $(wildcard redis-compat/clients/*.c)
BENCH := $(wildcard tests/bench/*.c) tests/bench/load/load.c tests/bench/load/cold.c \
         tests/bench/load/compare.c
# The sources of the load generators.
LOAD := $(filter-out $(BENCH),$(wildcard tests/bench/load/*.c))
# Each file is a fuzz target. Its corpus is tests/fuzz/corpus/TARGET/. If there is a seeds/TARGET.c,
# that program writes the first inputs.
FUZZ := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
FUZZ_SEEDS := $(wildcard tests/fuzz/seeds/*.c)
FUZZ_TARGETS := $(FUZZ:tests/fuzz/%.c=%)
HEADERS := $(wildcard src/*.h src/*/*.h src/*/*/*.h)
FORMATTED := $(HEADERS) $(sort $(SERVER) $(TOOL)) $(UNIT) $(UNIT_SUPPORT) $(INTEGRATION) $(SUPPORT) \
             $(FAULTS) $(FAULT_SUPPORT) $(LONG_FAULTS) $(BENCH) $(LOAD) $(FUZZ) $(FUZZ_SEEDS) \
             tests/fuzz/replay.c $(wildcard docs/*.[ch] redis-compat/*/*.c) \
             $(wildcard tests/sharing/*.c tests/platforms/*.c tests/*/*.h tests/*/*/*.h)

# A server whose data never seems to be in memory (tests/faults/support/cold_server.c), and the functions
# that it replaces. It is linked from the objects of the flavour asan.
COLD := dataset_fits_in_memory dataset_index_stays recent_pages_look preadv2
build/cold/stele-server: $(SERVER:%.c=build/asan/%.o) build/asan/tests/faults/support/cold_server.o Makefile
	$(call say,LINK $@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(asan_LINK) $(asan_STATIC) $(COLD:%=-Wl,--wrap=%) $(filter %.o,$^) -o $@ -lev $(LDLIBS)

build/cold/stele: build/asan/stele
	$(Q)mkdir -p $(@D)
	$(Q)ln -sf ../asan/stele $@

# Functions that a test can make fail (tests/faults/support/failing.h).
FAILING := malloc calloc realloc aligned_alloc strdup strndup asprintf __asprintf_chk mmap fopen fstat \
           flock pread pwrite fsync fdatasync fchmod ftruncate rename open madvise pthread_create \
           recv send sendmsg accept4 getsockname getpeername socket bind listen setsockopt
SLOW_SERVERS := $(wildcard tests/faults/within/f2*.c)
FAILING_TESTS := $(filter-out $(SLOW_SERVERS),$(FAULTS_WITHIN))
$(foreach f,$(FLAVOURS),$(FAILING_TESTS:%.c=build/$f/%)): private LDFLAGS += $(FAILING:%=-Wl,--wrap=%)
$(foreach f,$(FLAVOURS),$(eval $(FAILING_TESTS:%.c=build/$f/%): build/$f/tests/faults/support/failing.o))
# These tests run on a disk that is as slow as they want (tests/faults/support/slow_disk.h).
SLOW := preadv2 pread process_memory_allowed getrusage
SLOW_TESTS := unit/data/dataset_read unit/serve/cold unit/serve/integrity $(SLOW_SERVERS:tests/%.c=%)
$(foreach f,$(FLAVOURS),$(SLOW_TESTS:%=build/$f/tests/%)): private LDFLAGS += $(SLOW:%=-Wl,--wrap=%)
$(foreach f,$(FLAVOURS),$(eval $(SLOW_TESTS:%=build/$f/tests/%): build/$f/tests/faults/support/slow_disk.o))
$(foreach f,$(FLAVOURS),$(eval $(SLOW_SERVERS:%.c=build/$f/%): build/$f/tests/faults/support/slow_server.o))
# In this test, a name server does not answer.
$(foreach f,$(FLAVOURS),build/$f/tests/unit/net/prober): private LDFLAGS += -Wl,--wrap=getaddrinfo
# This test replaces the data file while the publisher opens it.
$(foreach f,$(FLAVOURS),build/$f/tests/unit/net/publisher): private LDFLAGS += -Wl,--wrap=file_open

Q := $(if $(V),,@)
, := ,
# Prints what is built. With OF=N it prints only every 25th file, with its number: "25 of N".
say = $(if $(V),,$(if $(OF),@printf . >> build/count && n=$$(wc -c < build/count) && \
      { [ $$((n % 25)) -ne 0 ] || echo "   $$n of $(OF): $(1)"; },@echo '$(1)'))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all run cluster image test test-all test-asan test-cold test-platforms test-release test-threads \
        test-tsan build-checked build-released build-rest run-checked run-released run-rest coverage faults \
        recipes soak soak-cold redis-compat redis-compat-build redis-compat-matrix bench docs fuzz fuzz-merge \
        fuzz-seeds fuzz-targets format install uninstall clean help need-build need-test need-redis-compat \
        need-recipes need-bench need-fuzz need-soak need-platforms need-image need-deb check dist deb \
        check-circles check-docs check-format check-headers check-layers allowed-places

all: build/stele-server build/stele build/libstele.a ## build server, tool and library (the default)

build/stele-server build/stele: build/%: build/release/%
	$(Q)ln -sf release/$* $@

# The library: one object of all of base/ and data/, with only the names stele_* visible. So no other name
# can collide with a name of the program that uses the library. With -flto of gcc, the object has machine
# code nevertheless, because in the other form all names would be visible. clang always does that.
NO_LTO = $(if $(filter -flto%,$(CFLAGS)),$(shell o=-flinker-output=nolto-rel; \
           $(CC) $$o -E -x c /dev/null >/dev/null 2>&1 && echo $$o))
build/libstele.a: $(patsubst %.c,build/release/%.o,$(DATA))
	$(call say,AR $@)
	$(Q)$(CC) $(CFLAGS) $(NO_LTO) -r -nostdlib $^ -o build/release/libstele.o
	$(Q)$(OBJCOPY) --wildcard --keep-global-symbol='stele_*' build/release/libstele.o
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ build/release/libstele.o

# The shared library exports the same names. LIBSTELE_0 in libstele.map has the number of SONAME.
build/libstele.so: $(patsubst %.c,build/shared/%.o,$(DATA)) src/data/libstele.map
	$(call say,LINK $@)
	$(Q)$(CC) $(shared_LINK) -Wl,-soname,$(SONAME) -Wl,--version-script=src/data/libstele.map \
	    $(filter %.o,$^) -o $@ $(LDLIBS)

# ---- the rules of one flavour -------------------------------------------------------------------

define flavour
$(1)_objects = $$(patsubst %.c,build/$(1)/%.o,$$(1))

# The file holds the compiler and its flags. It changes when they change, and then everything is built
# again. So objects need not depend on the Makefile. Programs depend on it, because the Makefile says
# what they are linked with. On a platform that Stele does not support, this rule fails.
build/$(1)/flags: FORCE
	$$(Q)mkdir -p $$(@D)
	$$(Q)echo '$$(CC) $$(COMPILE) $$($(1)_FLAGS) $$($(1)_LINK) $$($(1)_OTHER_FLAGS)' | cmp -s - $$@ || { \
	    $$(CC) $$($(1)_FLAGS) -fsyntax-only -x c src/base/platform.h && \
	    echo '$$(CC) $$(COMPILE) $$($(1)_FLAGS) $$($(1)_LINK) $$($(1)_OTHER_FLAGS)' > $$@; }

build/$(1)/%.o: %.c build/$(1)/flags
	$$(call say,CC $$< ($(1)))
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(COMPILE) $$($(1)_FLAGS) -c $$< -o $$@

build/$(1)/stele-server: $(patsubst %.c,build/$(1)/%.o,$(SERVER)) Makefile
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$($(1)_STATIC) $$(filter %.o,$$^) -o $$@ -lev $$(LDLIBS)

build/$(1)/stele: $(patsubst %.c,build/$(1)/%.o,$(TOOL)) Makefile
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$($(1)_STATIC) $$(filter %.o,$$^) -o $$@ $$(LDLIBS)

# Tests are linked with this archive, so that the linker takes only the objects that a test uses. That
# is a tenth of the work. The archive has only the names of the objects, no copies (T).
build/$(1)/parts.a: $(patsubst %.c,build/$(1)/%.o,$(PARTS) $(SUPPORT) $(UNIT_SUPPORT)) Makefile
	$$(call say,AR $$@)
	$$(Q)rm -f $$@
	$$(Q)$$(AR) rcsT $$@ $$(filter %.o,$$^)
$(1)_PARTS ?= build/$(1)/parts.a

build/$(1)/tests/unit/%: build/$(1)/tests/unit/%.o build/$(1)/parts.a
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$(filter %.o,$$^) $$($(1)_PARTS) -o $$@ -lev $$(LDLIBS)

build/$(1)/tests/integration/%: build/$(1)/tests/integration/%.o build/$(1)/parts.a
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$< $$($(1)_PARTS) -o $$@ -lev -lhiredis $$(LDLIBS)

# Tests of faults, in a server or in parts of it.
build/$(1)/tests/faults/%: build/$(1)/tests/faults/%.o build/$(1)/tests/faults/support/hammer.o \
    build/$(1)/parts.a
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$(filter %.o,$$^) $$($(1)_PARTS) -o $$@ -lev -lhiredis $$(LDLIBS)

build/$(1)/redis-compat/clients/%: build/$(1)/redis-compat/clients/%.o build/$(1)/parts.a
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$< $$($(1)_PARTS) -o $$@ -lhiredis $$(LDLIBS)

build/$(1)/tests/bench/%: build/$(1)/tests/bench/%.o build/$(1)/parts.a
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$(filter %.o,$$^) $$($(1)_PARTS) -o $$@ $$(LDLIBS)

$(addprefix build/$(1)/tests/bench/load/,load cold compare): $(patsubst %.c,build/$(1)/%.o,$(LOAD))

# A fuzz target, linked with libFuzzer in the flavour fuzz, and otherwise with replay.c, which runs the
# inputs of its corpus.
build/$(1)/tests/fuzz/%: build/$(1)/tests/fuzz/%.o build/$(1)/parts.a \
    $(if $(filter-out fuzz,$(1)),build/$(1)/tests/fuzz/replay.o)
	$$(call say,LINK $$@)
	$$(Q)$$(CC) $$($(1)_LINK) $$(filter %.o,$$^) $$($(1)_PARTS) -o $$@ -lev $$(LDLIBS)

endef
$(foreach f,$(FLAVOURS),$(eval $(call flavour,$(f))))

# Without this line, .SECONDARY (below) would make FORCE an intermediate file, and make would not always
# run the rules that depend on it.
.PHONY: FORCE

.SECONDARY: # keep the objects of tests
-include $(wildcard build/*/src/*.d build/*/src/*/*.d build/*/src/*/*/*.d build/*/tests/*/*.d \
                    build/*/tests/*/*/*.d build/*/docs/*.d build/*/redis-compat/*/*.d)

# ---- which test runs where ----------------------------------------------------------------------

# `make test` runs each test once. Most run in the flavour asan, with the address and
# undefined-behaviour sanitizers. The tests named here run in the flavour release, because they are about
# speed, memory, system calls, or many keys or clients. `make test-all` runs all tests in both flavours.
# The names are those of files below tests/.
RELEASED := unit/cluster/balance unit/data/records integration/cold integration/keysets \
            integration/load integration/oracle integration/threads \
            faults/f01_together faults/f01_truncated faults/f02_touched faults/f03_renamed \
            faults/f03_watched faults/f08_hostile_pairs faults/f13_descriptors faults/f17_kinds \
            faults/f17_unread faults/f18_bytewise faults/f21_idle faults/f22_reload \
            faults/f40_busy_processors faults/f41_reload_memory
# These tests run alone, one after another. They measure how long clients wait, how threads share a
# processor, or how much memory and how many descriptors an idle server has. All other tests run at the
# same time as others.
ALONE := faults/f01_together faults/f13_descriptors faults/f17_kinds faults/f17_unread \
         faults/f18_bytewise faults/f22_reload faults/f22_watch faults/f23_signals \
         faults/f27_standard_descriptors faults/f40_busy_processors faults/f41_reload_memory
# The tests that take longest. They are started first, so that none of them runs on its own at the end.
LONGEST := fuzz/session unit/data/records integration/backpressure faults/f08_index_damage \
           integration/write_first faults/f01_truncated faults/f24_wall_clock faults/f03_watched \
           faults/f03_renamed faults/f02_touched
# Scripts that check replies to clients. `make test` runs them in the flavour asan, and all other scripts
# in the flavour release.
CHECKED_SCRIPTS := tests/integration/redis-compat.t

# Tests wait more than they work.
BESIDE := $(shell echo $$(($(CORES) * 2)))
# `env` undoes that signals are ignored, which is so after nohup and in background jobs. Tests send them.
PROVE := env --default-signal=HUP,INT,QUIT prove --failures --timer
# The address sanitizer does not give freed memory out again for a while, to find uses after free. With
# more than 16 MB of such memory, getting new memory from the system would take longer than the rest of a
# test.
CHECKING := ASAN_OPTIONS=quarantine_size_mb=16$${ASAN_OPTIONS:+:$$ASAN_OPTIONS}

TESTS := $(FUZZ) $(UNIT) $(INTEGRATION) $(FAULTS)
in_list = $(filter $(addprefix tests/,$(1:%=%.c)),$(2))
out_of_list = $(filter-out $(addprefix tests/,$(1:%=%.c)),$(2))
# These divide the tests $(1) into three lists: the longest tests, the tests that run alone, and the
# rest. The longest and the rest run at the same time.
longest = $(call in_list,$(LONGEST),$(call out_of_list,$(ALONE),$(1)))
shorter = $(call out_of_list,$(LONGEST) $(ALONE),$(1))
alone = $(call in_list,$(ALONE),$(1))
programs = $(patsubst %.c,build/$(1)/%,$(2))

# Runs the tests $(2) and the scripts $(3) in the flavour $(1). The scripts start before the shorter
# programs, because most of them take longer.
run_tests = STELE_BUILD=build/$(1) $(CHECKING) $(PROVE) -j$(BESIDE) \
                $(call programs,$(1),$(call longest,$(2))) $(3) \
                $(call programs,$(1),$(call shorter,$(2))) \
            $(if $(call alone,$(2)),&& STELE_BUILD=build/$(1) $(CHECKING) $(PROVE) \
                $(call programs,$(1),$(call alone,$(2))))

CHECKED_TESTS := $(call out_of_list,$(RELEASED),$(TESTS))
RELEASED_TESTS := $(call in_list,$(RELEASED),$(TESTS))
RELEASED_SCRIPTS := $(filter-out $(CHECKED_SCRIPTS),$(SCRIPTS)) $(FAULT_SCRIPTS)

# Programs that the scripts run in addition to the server and the tool.
FOR_SCRIPTS := $(CLIENTS) $(BENCH)

# What `make test` runs, and what `make test-all` adds: the same tests in the other flavour.
build-checked: build/asan/stele-server build/asan/stele $(call programs,asan,$(CHECKED_TESTS))
build-released: all build/libstele.so $(call programs,release,$(RELEASED_TESTS) $(FOR_SCRIPTS))
# The programs in tests/fuzz/seeds/ are compiled too, so that a change of the code that breaks them is
# noticed.
build-rest: $(call programs,asan,$(TESTS) $(FOR_SCRIPTS) $(FUZZ_SEEDS)) $(call programs,release,$(TESTS))
run-checked:
	$(Q)$(call run_tests,asan,$(CHECKED_TESTS),$(CHECKED_SCRIPTS))
run-released:
	$(Q)$(call run_tests,release,$(RELEASED_TESTS),$(RELEASED_SCRIPTS))
run-rest:
	$(Q)$(call run_tests,asan,$(RELEASED_TESTS),$(RELEASED_SCRIPTS))
	$(Q)$(call run_tests,release,$(CHECKED_TESTS),$(CHECKED_SCRIPTS))

# What `make check` runs, of the programs as they are released: the tests that need no other program.
# (integration/threads runs strace, and the other two run the programs of the benchmark.)
CHECK_TESTS := $(FUZZ) $(UNIT) \
               $(call out_of_list,$(addprefix integration/,cold load threads),$(INTEGRATION))
check: ## run the tests that need no other programs, and install nothing (for packagers)
	$(Q)STELE_INSTALL=no .ci/need check
	$(SUB) all $(call programs,release,$(CHECK_TESTS))
	$(Q)$(call run_tests,release,$(CHECK_TESTS),)

# Everything in one flavour.
define test_flavour
test-$(1): build/$(1)/stele-server build/$(1)/stele $(call programs,$(1),$(TESTS) $(FOR_SCRIPTS))
	$$(Q)$$(call run_tests,$(1),$$(TESTS),$$(SCRIPTS) $$(FAULT_SCRIPTS))
endef
$(foreach f,release asan,$(eval $(call test_flavour,$(f))))

# Tests of code that runs on more than one thread. When the sanitizer finds a data race, it ends the
# program at once, and the test fails.
WATCHED_UNIT := $(addprefix build/tsan/tests/unit/,commands/info_cold data/compare data/records data/build data/finish \
                serve/cold serve/execute serve/readers tool/sort_lines)
WATCHED := $(addprefix build/tsan/tests/,integration/threads integration/clients faults/f22_reload \
             $(SLOW_SERVERS:tests/%.c=%))
WATCHING := TSAN_OPTIONS='halt_on_error=1 suppressions=$(CURDIR)/tests/tsan.suppressions'
test-tsan: build/tsan/stele-server $(WATCHED_UNIT) $(WATCHED) build/sharing/tests/sharing/lines
	$(Q)$(WATCHING) STELE_BUILD=build/tsan $(PROVE) -j$(CORES) \
	    $(WATCHED_UNIT)
	$(Q)$(WATCHING) STELE_BUILD=build/tsan $(PROVE) $(WATCHED) \
	    build/sharing/tests/sharing/lines

# Replies to clients must not depend on the number of event loops. By default that is the number of
# processors; STELE_TEST_THREADS sets another.
LOOPED := $(addprefix build/release/tests/integration/,protocol hiredis oracle keysets lifecycle)
test-threads: build/release/stele-server build/release/stele $(LOOPED)
	$(Q)for threads in 1 2 8; do \
	    STELE_TEST_THREADS=$$threads STELE_BUILD=build/release $(PROVE) -j$(CORES) \
	        $(LOOPED) tests/integration/redis-compat.t || exit 1; \
	done

# Replies to clients must not depend on whether data is in memory. The server of these tests nearly always
# finds that it is not. In the second round, chance decides.
WAITING := $(addprefix build/asan/tests/integration/,protocol hiredis unterminated)
test-cold: build/cold/stele-server build/cold/stele $(WAITING)
	$(Q)for what in all some; do \
	    STELE_COLD=$$what STELE_BUILD=build/cold $(CHECKING) $(PROVE) -j$(BESIDE) \
	        $(WAITING) tests/integration/scan.t tests/integration/key-rules.t \
	        tests/integration/redis-compat.t || exit 1; \
	done

# ---- what people call ---------------------------------------------------------------------------

run: need-build ## install what is missing, build, serve example.data on port 6379 (ARGS='--port 7000')
	$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)exec build/stele-server example.data --index build/example.data.idx $(ARGS)

DATA_FILE = example.data
cluster: need-build ## run a cluster of three shards with two nodes each, on ports 7001 to 7006 (DATA_FILE=example.data)
	$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)exec tests/cluster/cluster $(DATA_FILE) $(ARGS)

# Prints the seconds since the beginning and the next step.
BEGAN := $(shell date +%s)
step = @echo "== $$(($$(date +%s) - $(BEGAN))) s: $(1)"
SUB = $(Q)$(MAKE) --no-print-directory $(JOBS)
# Builds and counts the files built: the objects of the server, the tool and what tests share, an object
# and a program for each of the tests $(1), and the files $(2).
counted = $(Q)mkdir -p build; rm -f build/count; $(MAKE) --no-print-directory $(JOBS) \
    OF=$(words $(PARTS) $(SUPPORT) $(UNIT_SUPPORT) server tool archive $(1) $(1) $(2))

test: need-test ## install what is missing, build, check the sources, run each test once
	$(call step,1/5 the sources: layers$(,) headers$(,) format$(,) documentation)
	$(SUB) check-layers check-headers check-format check-docs
	$(call step,2/5 building the programs as they are released)
	$(call counted,$(RELEASED_TESTS) $(FOR_SCRIPTS),$(DATA) library) build-released check-circles
	$(call step,3/5 building the programs and tests with sanitizers: address and undefined behaviour)
	$(call counted,$(CHECKED_TESTS)) build-checked
	$(call step,4/5 $(words $(CHECKED_TESTS) $(CHECKED_SCRIPTS)) tests with sanitizers)
	$(SUB) run-checked
	$(call step,5/5 $(words $(RELEASED_TESTS) $(RELEASED_SCRIPTS)) tests of the released programs)
	$(SUB) run-released
	$(call step,all is well. make test-all runs the rest.)

# TESTED=1: `make test` has just run.
test-all: need-test need-redis-compat need-recipes $(if $(TESTED),,test) ## make test; then each test in the other flavour, some tests with 1, 2 and 8 threads or without data in memory, faults of over a minute, client libraries, tools and recipes
	$(call step,1/8 building the rest of the tests)
	$(SUB) build-rest
	$(call step,2/8 tests that make test ran as released$(,) now with sanitizers; and the others as released)
	$(SUB) run-rest
	$(call step,3/8 replies to clients$(,) with 1$(,) 2 and 8 threads)
	$(SUB) test-threads
	$(call step,4/8 replies to clients$(,) with data that is not in memory)
	$(SUB) test-cold
	$(call step,5/8 tests under the thread sanitizer; cache lines that several event loops use)
	$(SUB) test-tsan
	$(call step,6/8 faults that take longer than a minute)
	$(SUB) faults
	$(call step,7/8 client libraries and tools)
	$(SUB) redis-compat
	$(call step,8/8 recipes of the documentation)
	$(SUB) recipes
	$(call step,all is well.)

# The folders whose code reads bytes from outside must be covered to this percentage by the unit tests,
# the corpora and the tests in tests/faults/within/, which run parts of the server in their own process.
# No server is started.
COVERED := resp data rdb
COVERED_LEAST := 95
COVERED_BY := $(patsubst %.c,build/coverage/%,$(UNIT) $(FUZZ) $(FAULTS_WITHIN))
coverage: need-test ## run the unit tests and corpora, show which lines of src/resp, src/data and src/rdb they reach
	$(Q)$(MAKE) --no-print-directory $(JOBS) $(COVERED_BY)
	$(Q)find build/coverage -name '*.gcda' -delete
	$(Q)STELE_BUILD=build/coverage prove --failures $(COVERED_BY)
	$(Q)find $(COVERED:%=build/coverage/src/%) -name '*.gcda' -exec gcov --stdout {} + | \
	    awk -v folders='$(COVERED)' -v least=$(COVERED_LEAST) -f tests/coverage.awk

faults: need-test ## run the tests of faults that take longer than a minute
	$(Q)$(MAKE) --no-print-directory $(JOBS) all $(LONG_FAULTS:%.c=build/release/%) $(FOR_SOAK)
	$(Q)STELE_BUILD=build/release $(PROVE) \
	    $(LONG_FAULTS:%.c=build/release/%) $(LONG_SCRIPTS)

soak: TIME = 600
soak: need-soak ## check a server under reloads, faults and all kinds of clients; writes docs/soak/ (TIME=600 seconds)
	$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)tests/soak/soak --seconds $(TIME) --docs docs

# What tests/soak/cold and its test run.
FOR_SOAK := $(patsubst %.c,build/release/%,tests/bench/generate.c tests/bench/load/compare.c)
REPLIES = 10M
soak-cold: need-soak ## check a server with data larger than memory, as root, until REPLIES=10M replies were compared
	$(Q)$(MAKE) --no-print-directory $(JOBS) all $(FOR_SOAK)
	$(Q)tests/soak/cold --replies $(REPLIES)

redis-compat: need-redis-compat ## compare with a real redis-server; run client libraries and tools (redis-compat/)
	$(Q)$(MAKE) --no-print-directory $(JOBS) redis-compat-build
	$(Q)redis-compat/matrix

redis-compat-matrix: need-redis-compat ## run redis-compat and write its matrix to redis-compat/README.md
	$(Q)$(MAKE) --no-print-directory $(JOBS) redis-compat-build
	$(Q)redis-compat/matrix --readme

redis-compat-build: all $(CLIENTS:%.c=build/release/%)
	$(Q)redis-compat/install-clients
	$(Q)redis-compat/install-tools

recipes: need-recipes ## run the recipes of docs/ with PostgreSQL, SQLite, DuckDB and others
	$(Q)$(MAKE) --no-print-directory $(JOBS) all
	$(Q)tests/recipes/install
	$(Q)STELE_BUILD=build/release $(PROVE) -j$(CORES) tests/recipes/*.t

# Each builds in build/platforms/PLATFORM/.
PLATFORMS = clang musl aarch64 s390x
test-platforms: need-test need-platforms ## build with clang, static with musl, for aarch64 and s390x, and run tests there (PLATFORMS='musl s390x')
	$(Q)for platform in $(PLATFORMS); do tests/platforms/run $$platform || exit 1; done

image: need-image ## build the container image stele:VERSION: static programs, nothing else (docs/packaging/Containerfile)
	$(Q)docs/packaging/image

# The parts of the benchmark. Each is a program in tests/bench/ that rewrites the section of its name
# in docs/benchmarks.md. N: numbers of keys. R: how often each figure is measured.
BENCH_PARTS = index server reload cold
N = 1M,10M
R = 3

bench: need-bench ## compare with redis-server, memcached and a Python dict; writes docs/benchmarks.md (N=1M,10M R=3)
	$(Q)$(MAKE) --no-print-directory $(JOBS) all $(patsubst %.c,build/release/%,$(BENCH))
	$(Q)for part in $(BENCH_PARTS); do tests/bench/$$part --sizes $(N) --runs $(R) || exit 1; done

# Inputs that reach new code go to build/fuzz/found/TARGET. Failing inputs go to
# build/fuzz/TARGET-crash-… (or -timeout-…, -leak-…). The longest inputs are those of `request`, because
# an inline request may have 64 KiB. Those of `session` must be long, so that session_feed stops in the
# middle of an input and a second call must continue.
TIME = 60
fuzz: need-fuzz ## search with libFuzzer for inputs that make a check fail (TIME=60 seconds for each target)
	$(Q)$(MAKE) --no-print-directory $(JOBS) fuzz-targets
	$(Q)for t in $(FUZZ_TARGETS); do \
	    case $$t in request) max=80000 ;; session) max=32768 ;; *) max=4096 ;; esac; \
	    mkdir -p build/fuzz/found/$$t && \
	    build/fuzz/tests/fuzz/$$t -max_len=$$max -max_total_time=$(TIME) -timeout=20 -print_final_stats=1 \
	        -artifact_prefix=build/fuzz/$$t- -dict=build/fuzz/words.dict \
	        build/fuzz/found/$$t tests/fuzz/corpus/$$t || exit 1; \
	done

# Without counters, because an input that only runs a loop more often is not worth a file.
fuzz-merge: need-fuzz ## add the inputs found that reach new code to tests/fuzz/corpus/
	$(Q)$(MAKE) --no-print-directory $(JOBS) fuzz-targets
	$(Q)for t in $(FUZZ_TARGETS); do \
	    build/fuzz/tests/fuzz/$$t -merge=1 -use_counters=0 tests/fuzz/corpus/$$t \
	        build/fuzz/found/$$t || exit 1; \
	done

fuzz-targets: $(FUZZ:%.c=build/fuzz/%) build/fuzz/words.dict

# The names of commands and the words of their arguments, as a dictionary for libFuzzer.
build/fuzz/words.dict: docs/commands.md
	$(Q)mkdir -p $(@D)
	$(Q)grep -oE '\b[A-Z][A-Z_.-]*[A-Z]\b' $< | sort -u | sed 's/.*/"&"/' > $@

# Inputs that a program writes. They have fixed names, so that a new version replaces the old one.
fuzz-seeds: $(FUZZ_SEEDS:%.c=build/asan/%) ## write the inputs of tests/fuzz/corpus/ that a program makes
	$(Q)for t in $(FUZZ_SEEDS:tests/fuzz/seeds/%.c=%); do \
	    mkdir -p tests/fuzz/corpus/$$t && \
	    build/asan/tests/fuzz/seeds/$$t tests/fuzz/corpus/$$t || exit 1; \
	done

build/asan/tests/fuzz/seeds/%: build/asan/tests/fuzz/seeds/%.o build/asan/tests/fuzz/%.o build/asan/parts.a
	$(call say,LINK $@)
	$(Q)$(CC) $(asan_LINK) $^ -o $@ -lev $(LDLIBS)

build/sharing/tests/sharing/lines: $(patsubst %.c,build/sharing/%.o,$(PARTS) $(SUPPORT)) \
    build/sharing/tests/sharing/lines.o build/sharing/tests/sharing/hooks.o
	$(call say,LINK $@)
	$(Q)$(CC) $(sharing_LINK) $^ -o $@ -lev $(LDLIBS)

# What `make install` installs, and `make uninstall` removes: the mode, the file and its place. `fill`
# stands for a file with names between @ that are replaced by the values of variables, and `link` for a
# symbolic link. `keep` is for a configuration, which the user may change: a file that is there stays, and
# only an unchanged one is removed. The pages keep their folders, so that their links lead somewhere.
define newline


endef
# Each function of the library has the page stele(3).
FUNCTIONS = $(shell sed -n 's/^.Fn \(stele_[a-z_]*\) ".*/\1/p' docs/man/stele.3)
PAGES := README.md LICENSE example.data redis-compat/README.md docs/embed.c \
         $(wildcard docs/*.md docs/*.png docs/*.svg docs/*/*.svg docs/monitoring/* redis-compat/failover/*.*)
define INSTALLED
755 build/release/stele-server $(BINDIR)/stele-server
755 build/release/stele $(BINDIR)/stele
644 build/libstele.a $(LIBDIR)/libstele.a
644 build/libstele.so $(LIBDIR)/libstele.so.$(VERSION)
link libstele.so.$(VERSION) $(LIBDIR)/$(SONAME)
link $(SONAME) $(LIBDIR)/libstele.so
644 src/data/stele.h $(INCLUDEDIR)/stele.h
fill docs/packaging/libstele.pc.in $(LIBDIR)/pkgconfig/libstele.pc
fill docs/stele-server@.service $(UNITDIR)/stele-server@.service
fill docs/stele-server@.service $(DOCDIR)/docs/stele-server@.service
keep docs/packaging/logrotate $(LOGROTATEDIR)/stele
644 $(COMPLETION)/stele.bash $(BASHDIR)/stele
644 $(COMPLETION)/stele-server.bash $(BASHDIR)/stele-server
644 $(COMPLETION)/_stele $(ZSHDIR)/_stele
$(foreach m,$(MAN),fill docs/man/$(m) $(MANDIR)/man$(subst .,,$(suffix $(m)))/$(m)$(newline))
$(foreach f,libstele $(FUNCTIONS),link stele.3 $(MANDIR)/man3/$(f).3$(newline))
$(foreach p,$(PAGES),644 $(p) $(DOCDIR)/$(p)$(newline))
endef
FILL := $(foreach name,PREFIX BINDIR LIBDIR INCLUDEDIR DOCDIR LOGROTATEDIR VERSION,-e 's,@$(name)@,$($(name)),g')
install uninstall: export LIST = $(INSTALLED)
install uninstall: export DESTDIR := $(DESTDIR)
# The unit and libstele.pc name these folders. A space or one of these characters has a meaning there.
install: export PLACES = $(PREFIX) $(BINDIR) $(LIBDIR) $(INCLUDEDIR) $(DATADIR) $(MANDIR) $(DOCDIR) $(BASHDIR) \
                         $(ZSHDIR) $(UNITDIR) $(LOGROTATEDIR)
allowed-places:
	$(Q)set -f; for place in $$PLACES; do case $$place in [!/]* | *[\"\'\\,\;\&%\$$\`*?\[]*) \
	    echo "cannot install: '$$place' must be an absolute path without a space and without any of" \
	        "\"'\\,;&%\$$\`*?[" >&2; exit 1 ;; esac; done

install: allowed-places all build/libstele.so ## install everything below PREFIX (DESTDIR before it; BINDIR, LIBDIR, MANDIR and others)
	$(Q)printf '%s\n' "$$LIST" | while read -r how from to; do \
	    [ -n "$$how" ] || continue; \
	    to=$$DESTDIR$$to; \
	    install -d "$${to%/*}" && case $$how in \
	        link) ln -sf "$$from" "$$to" ;; \
	        keep) [ -e "$$to" ] || install -m 644 "$$from" "$$to" ;; \
	        fill) sed $(FILL) "$$from" > "$$to" && chmod 644 "$$to" ;; \
	        *) install -m "$$how" "$$from" "$$to" ;; \
	    esac || exit 1; \
	done

uninstall: ## remove what make install has installed, with the same variables
	$(Q)printf '%s\n' "$$LIST" | while read -r how from to; do \
	    to=$$DESTDIR$$to; \
	    case $$how in \
	        '') ;; \
	        keep) ! cmp -s "$$from" "$$to" || rm "$$to" ;; \
	        *) rm -f "$$to" ;; \
	    esac || exit 1; \
	done
	$(Q)[ ! -d "$$DESTDIR"'$(DOCDIR)' ] || find "$$DESTDIR"'$(DOCDIR)' -depth -type d -empty -delete

# The files of a release, in a list with a NUL after each name: those that git knows, or in an unpacked
# release all but build/. They get the date of the version in docs/changelog.md, so the archive has the
# same bytes wherever it is made.
RELEASE := stele-$(VERSION)
RELEASED_ON = $(shell sed -n 's/^.. $(VERSION) (\([0-9-]*\))$$/\1/p' docs/changelog.md)
RELEASE_FILES = if [ -e .git ]; then git ls-files -z; \
                else find . -path ./build -prune -o '(' -type f -o -type l ')' -printf '%P\0'; fi
dist: ## write build/stele-VERSION.tar.gz, the sources of this version
	$(Q)mkdir -p build
	$(Q)[ -n '$(RELEASED_ON)' ] || { echo 'docs/changelog.md: no heading has the version $(VERSION)' >&2; exit 1; }
	$(Q)[ ! -e .git ] || [ -z "$$(git status --porcelain)" ] || \
	    echo 'warning: there are changes that are not committed' >&2
	$(Q)$(RELEASE_FILES) > build/release-files
	$(Q)LC_ALL=C sort -z build/release-files | tar --null --no-recursion --files-from=- --format=ustar \
	    --transform='s,^,$(RELEASE)/,SH' --mtime='$(RELEASED_ON) 00:00Z' --owner=0 --group=0 \
	    --numeric-owner --mode=u+rw,go+r,go-w -cf build/$(RELEASE).tar
	$(Q)gzip -9nf build/$(RELEASE).tar
	@echo 'build/$(RELEASE).tar.gz'

# The packages and the build folder are in build/deb/. The names of the maintainer are those that all
# tools of Debian read. DEB_BUILD_OPTIONS= also runs `make check`.
DEBFULLNAME ?= The Stele authors
DEBEMAIL ?= stele@packages.invalid
DEB_BUILD_OPTIONS ?= nocheck
MAINTAINER = $(DEBFULLNAME) <$(DEBEMAIL)>
DEBIAN = build/deb/$(RELEASE)/debian
deb: export MAINTAINED_BY = $(MAINTAINER)
deb: need-deb dist ## build Debian packages in build/deb/ (DEBFULLNAME, DEBEMAIL: the maintainer)
	$(Q)rm -rf build/deb
	$(Q)mkdir -p build/deb
	$(Q)tar -xzf build/$(RELEASE).tar.gz -C build/deb
	$(Q)cp -R docs/packaging/debian $(DEBIAN)
	$(Q)sed -i "s|@MAINTAINER@|$$MAINTAINED_BY|" $(DEBIAN)/control
	$(Q){ echo 'stele ($(VERSION)) unstable; urgency=medium'; echo; \
	      sed -n '/^## $(VERSION) /,/^## /{/^##/d;/^$$/d;s/^- /  * /;s/^  \([^*]\)/    \1/;p}' docs/changelog.md; \
	      echo; echo " -- $$MAINTAINED_BY  $$(LC_ALL=C date -uRd '$(RELEASED_ON)')"; } > $(DEBIAN)/changelog
	$(Q)cd build/deb/$(RELEASE) && env -u MAKEFLAGS -u MAKELEVEL DEB_BUILD_OPTIONS='$(DEB_BUILD_OPTIONS)' \
	    dpkg-buildpackage --build=binary --no-sign
	$(Q)lintian --allow-root --fail-on=error,warning build/deb/stele_$(VERSION)_*.changes
	@ls build/deb/*.deb

docs: $(DOCS) ## write docs/commands.md, the README's options, tables of docs/scaling.md, manual pages, completion
	$(Q)build/release/docs/commands > docs/commands.md
	$(Q)build/release/docs/options < README.md > build/README.md
	$(Q)cp build/README.md README.md
	$(Q)build/release/docs/scaling < docs/scaling.md > build/scaling.md
	$(Q)cp build/scaling.md docs/scaling.md
	$(Q)build/release/docs/scaling --picture > docs/scaling-requests.svg
	$(Q)for page in $(MAN); do \
	    build/release/docs/man < docs/man/$$page > build/page && cp build/page docs/man/$$page || exit 1; \
	done
	$(Q)build/release/docs/completion bash-tool > $(COMPLETION)/stele.bash
	$(Q)build/release/docs/completion bash-server > $(COMPLETION)/stele-server.bash
	$(Q)build/release/docs/completion zsh > $(COMPLETION)/_stele

build/release/docs/scaling: build/release/tests/support/cluster_plan.o build/release/tests/support/tap.o
build/release/docs/man build/release/docs/completion: $(addprefix build/release/docs/programs_,server.o tool.o)
$(DOCS): build/release/docs/%: $(patsubst %.c,build/release/%.o,$(PARTS)) build/release/docs/%.o
	$(call say,LINK $@)
	$(Q)$(CC) $(release_LINK) $^ -o $@ -lev -lm $(LDLIBS)

format: ## format the C sources (.clang-format)
	clang-format -i $(FORMATTED)

clean: ## remove everything built
	rm -rf build

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-19s %s\n", $$1, $$2}' Makefile

need-build need-test need-redis-compat need-recipes need-bench need-fuzz need-soak need-platforms need-image need-deb: need-%:
	$(Q).ci/need $*

# ---- checks -------------------------------------------------------------------------------------

check-format:
	$(Q)clang-format --dry-run --Werror $(FORMATTED)
	$(Q)awk -f tests/lengths.awk $(HEADERS) $(sort $(SERVER) $(TOOL))

# What `make docs` writes must match the tables in the source: of commands (docs/commands.md), of options
# (the README), and of both and the subcommands (manual pages and completion). The tables of the plan in
# docs/scaling.md must be those of tests/support/cluster_plan.c.
check-docs: $(DOCS)
	$(Q)build/release/docs/commands | diff -u docs/commands.md - || \
	    { echo 'docs/commands.md: run make docs' >&2; exit 1; }
	$(Q)build/release/docs/options < README.md | diff -u README.md - || \
	    { echo 'README.md: run make docs' >&2; exit 1; }
	$(Q)build/release/docs/scaling < docs/scaling.md | diff -u docs/scaling.md - || \
	    { echo 'docs/scaling.md: run make docs' >&2; exit 1; }
	$(Q)build/release/docs/scaling --picture | diff -u docs/scaling-requests.svg - || \
	    { echo 'docs/scaling-requests.svg: run make docs' >&2; exit 1; }
	$(Q)for page in $(MAN); do \
	    build/release/docs/man < docs/man/$$page | diff -u docs/man/$$page - || \
	        { echo "docs/man/$$page: run make docs" >&2; exit 1; }; \
	done
	$(Q)build/release/docs/completion bash-tool | diff -u $(COMPLETION)/stele.bash - && \
	    build/release/docs/completion bash-server | diff -u $(COMPLETION)/stele-server.bash - && \
	    build/release/docs/completion zsh | diff -u $(COMPLETION)/_stele - || \
	    { echo '$(COMPLETION): run make docs' >&2; exit 1; }

# Each header must compile on its own.
check-headers:
	$(Q)printf '%s\n' $(HEADERS) | xargs -P$(CORES) -n8 \
	    $(CC) -std=gnu11 -D_GNU_SOURCE -Isrc $(WARNINGS) $(CPPFLAGS) -Werror -fsyntax-only -x c

# A folder of src/ may include only the folders that docs/contributing.md lists for it, and only net/ may
# use sockets and the event loop.
check-layers:
	$(Q)awk -f tests/layers.awk $(HEADERS) $(sort $(SERVER) $(TOOL))

# Modules must not depend on each other in a circle. x.h and x.c are one module.
check-circles: $(patsubst %.c,build/release/%.o,$(sort $(SERVER) $(TOOL)))
	$(Q)tests/circles $^
