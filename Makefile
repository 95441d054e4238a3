# Everything a fresh machine needs to build, test and show mars: node, npm,
# gcc, make and what apt-get gives. `make help` lists the targets.

SHELL := /bin/bash
DENO_VERSION := 2.9.6
TOOLS := $(CURDIR)/.tools
DENO := $(TOOLS)/bin/deno
PREFIX := /usr/local
# The program that becomes the bundle.
MAIN := main.ts
# What the integration tests use: Debian package and the command it must give,
# or several of which one is enough.
TEST_PACKAGES := fio:fio nbdkit:nbdkit qemu-utils:qemu-io libnbd-bin:nbdinfo \
  iproute2:tc faketime:faketime \
  $(VM_PACKAGES)
# Virtual machines with a stock Debian kernel under emulation. Some versions of
# qemu come with virtiofsd; elsewhere it is a package of its own.
VM_PACKAGES := qemu-system-x86:qemu-system-x86_64 \
  virtiofsd:/usr/lib/qemu/virtiofsd:/usr/libexec/virtiofsd \
  busybox-static:busybox cpio:cpio kmod:depmod zstd:zstd xz-utils:xz \
  perl-base:perl e2fsprogs:mke2fs

# Everything that Deno downloads or caches stays inside the checkout.
export DENO_DIR := $(TOOLS)/deno-dir
export DENO_NO_UPDATE_CHECK := 1
export DENO_NO_PROMPT := 1
export PATH := $(TOOLS)/bin:$(PATH)

CC := gcc
CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror

SOURCES := deno.json ffi/shim.ts $(wildcard *.ts) $(wildcard docs/*.md) \
  $(shell find src std -name '*.ts' -o -name '*.js' | grep -v _test.ts)

.DELETE_ON_ERROR:

.PHONY: all
all: build/mars ## build/mars, the program as one file (default)

$(DENO):
	npm install --prefix $(TOOLS) --ignore-scripts --no-audit --no-fund \
	  --loglevel=error deno@$(DENO_VERSION)
	mkdir -p $(TOOLS)/bin
	ln -sf ../node_modules/@deno/$$(ls $(TOOLS)/node_modules/@deno | head -n 1)/deno $@

build:
	mkdir -p $@

build/libmars.so: ffi/shim.c | build
	$(CC) $(CFLAGS) -shared -fPIC -o $@ $<

# For the bench alone: the same with a clock in it.
build/libmars-profile.so: tests/bench/profile_shim.c ffi/shim.c | build
	$(CC) $(CFLAGS) -shared -fPIC -o $@ $<

build/launch: ffi/launch.c ffi/sha256.h | build
	$(CC) $(CFLAGS) -static -o $@ $<

# The platform "browser" is chosen for packages that have a variant without
# node: modules; loading those would double the start time of quick commands.
BUNDLE := $(DENO) bundle --quiet --platform browser --external 'node:*'

# The program in modules, so that a command loads only what it needs.
build/modules/main.js: $(SOURCES) $(DENO) | build
	rm -rf build/modules
	$(BUNDLE) --code-splitting --outdir build/modules $(MAIN)
	touch $@

# The same as one module, for memory files.
build/mars-single.js: $(SOURCES) $(DENO) | build
	$(BUNDLE) -o $@ $(MAIN)

build/mars: build/launch build/modules/main.js build/mars-single.js \
  build/libmars.so ffi/pack.sh $(DENO)
	ffi/pack.sh $@ build/launch $(DENO)=deno build/libmars.so=libmars.so \
	  build/mars-single.js=mars-single.js build/modules/main.js=mars.js \
	  $$(cd build/modules && ls | grep -v '^main\.js$$' | \
	    sed 's|.*|build/modules/&=&|')

.PHONY: demo
demo: build/mars ## several hosts on this machine, without root
	build/mars demo

.PHONY: test
test: build/mars build/libmars.so tools-test ## the whole gate: layout, lint, types, all tests
	@tests/run.sh

.PHONY: test-vm
test-vm: build/mars ## virtual machines: ENGINE=uml|qemu TESTS="ext4 kill …"; takes long
	@$(MAKE) --no-print-directory tools-test TEST_PACKAGES="$(VM_PACKAGES) \
	  fio:fio xfsprogs:mkfs.xfs btrfs-progs:mkfs.btrfs lvm2:pvcreate \
	  util-linux:setpriv systemd-sysv:/sbin/init udev:udevadm"
	@ENGINE=$(ENGINE) tests/vm/run.sh $(TESTS)

.PHONY: tools-test
tools-test: | build ## installs what the integration tests use, if we are root
	@has() { command -v $$(echo $${1#*:} | tr : ' ') > /dev/null; }; \
	missing=; for row in $(TEST_PACKAGES); do \
	  has $$row || missing="$$missing $$row"; \
	done; \
	names=$$(echo $$missing | sed 's/:[^ ]*//g'); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then \
	  echo "Not installed, because that needs root and apt-get: $$names." \
	    "Tests that use them are skipped."; \
	  exit 0; \
	fi; \
	echo "Installing $$names"; \
	export DEBIAN_FRONTEND=noninteractive; \
	install() { apt-get install -qq -y --no-install-recommends "$$@"; }; \
	if install $$names > build/tools-test.log 2>&1; then exit 0; fi; \
	apt-get update -qq >> build/tools-test.log 2>&1; \
	for row in $$missing; do \
	  has $$row || install $${row%%:*} >> build/tools-test.log 2>&1 || \
	    echo "Cannot install $${row%%:*}, see build/tools-test.log." \
	      "Tests that use it are skipped."; \
	done

# `make sim SEED=4711 COUNT=1` repeats a run; CHAOS=60 makes it last longer.
SEED := 1
COUNT := 100
CHAOS :=
CYCLES :=
SHARED :=

.PHONY: sim
sim: $(DENO) ## clusters in simulation: SEED=1 COUNT=100 CHAOS=seconds SHARED=1 VERBOSE=1
	@$(DENO) run --no-check --allow-all tests/sim/run.ts --seed=$(SEED) \
	  --count=$(COUNT) $(if $(CHAOS),--chaos=$(CHAOS)) \
	  $(if $(CYCLES),--cycles=$(CYCLES)) $(if $(SHARED),--shared) $(if $(VERBOSE),--verbose)

# MINUTES of chaos in virtual time, one cluster after the other.
MINUTES := 60
soak-sim: COUNT := 1
.PHONY: soak-sim
soak-sim: $(DENO) ## an hour of chaos in simulation, SEED=1 COUNT=1 MINUTES=60: does anything grow?
	@$(DENO) run --no-check --allow-all --v8-flags=--expose-gc \
	  tests/sim/soak_run.ts --seed=$(SEED) --count=$(COUNT) \
	  --minutes=$(MINUTES) $(if $(VERBOSE),--verbose)

# Ten real minutes; SOAK_MINUTES=60 make soak for longer.
.PHONY: soak
soak: $(DENO) build/libmars.so ## real daemons under load for ten minutes: does anything grow?
	@$(DENO) run --no-check --allow-all tests/soak/run.ts

.PHONY: bench
bench: build/mars build/libmars.so tools-test ## speed, side by side with the alternatives
	$(DENO) run --allow-all tests/bench/run.ts

# `make bench-vm ARGS="write --quick --targets=raw,flush,drbd-A"`; all options
# stand in tests/bench/vm.ts. The kernel is built once, in about ten minutes.
.PHONY: bench-vm
bench-vm: build/mars build/libmars.so build/libmars-profile.so ## /dev/mars beside DRBD, in a virtual machine: ARGS=…
	@$(MAKE) --no-print-directory tools-test TEST_PACKAGES="$(VM_PACKAGES) \
	  fio:fio iproute2:tc drbd-utils:/lib/drbd/drbdsetup-84 make:make gcc:gcc \
	  flex:flex bison:bison bc:bc"
	@$(DENO) run --allow-all tests/bench/vm.ts $(ARGS)

.PHONY: fmt
fmt: $(DENO) ## lays out all sources
	$(DENO) fmt

# What `make install` puts beside the program: made by the program itself.
SHARE := $(DESTDIR)$(PREFIX)/share
MAN := $(SHARE)/man/man8
BASH := $(SHARE)/bash-completion/completions
ZSH := $(SHARE)/zsh/site-functions
FISH := $(SHARE)/fish/vendor_completions.d

build/mars.8: build/mars
	build/mars manual > $@

build/completion.%: build/mars
	build/mars completion $* > $@

.PHONY: install
install: build/mars build/mars.8 build/completion.bash build/completion.zsh \
  build/completion.fish ## $(PREFIX)/bin/mars and marsadm, manual, completions
	install -D -m 755 build/mars $(DESTDIR)$(PREFIX)/bin/mars
	ln -sf mars $(DESTDIR)$(PREFIX)/bin/marsadm
	install -D -m 644 build/mars.8 $(MAN)/mars.8
	echo '.so man8/mars.8' > $(MAN)/marsadm.8
	chmod 644 $(MAN)/marsadm.8
	install -D -m 644 build/completion.bash $(BASH)/mars
	ln -sf mars $(BASH)/marsadm
	install -D -m 644 build/completion.zsh $(ZSH)/_mars
	install -D -m 644 build/completion.fish $(FISH)/mars.fish
	ln -sf mars.fish $(FISH)/marsadm.fish
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/marsadm/systemd-templates \
	  systemd-templates/*

.PHONY: clean
clean: ## removes what was built, not the tools
	rm -rf build

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) \
	  | sed 's|$$(PREFIX)|$(PREFIX)|g' | expand -t 16
