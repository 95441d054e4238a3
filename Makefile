# Everything a fresh machine needs to build, test and show mars: node, npm,
# gcc, make and what apt-get gives. `make help` lists the targets.

SHELL := /bin/bash
DENO_VERSION := 2.9.6
TOOLS := $(CURDIR)/.tools
DENO := $(TOOLS)/bin/deno

# Everything that Deno downloads or caches stays inside the checkout.
export DENO_DIR := $(TOOLS)/deno-dir
export DENO_NO_UPDATE_CHECK := 1
export DENO_NO_PROMPT := 1
export PATH := $(TOOLS)/bin:$(PATH)

CC := gcc
CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Werror

SOURCES := main.ts $(shell find src std -name '*.ts' -o -name '*.js' | grep -v _test.ts)

.PHONY: all
all: build/mars

$(DENO):
	npm install --prefix $(TOOLS) --ignore-scripts --no-audit --no-fund \
	  --silent deno@$(DENO_VERSION)
	mkdir -p $(TOOLS)/bin
	ln -sf ../node_modules/@deno/$$(ls $(TOOLS)/node_modules/@deno | head -n 1)/deno $@

build/libmars.so: ffi/shim.c
	mkdir -p build
	$(CC) $(CFLAGS) -shared -fPIC -o $@ $<

.PHONY: clean
clean:
	rm -rf build
