/*
 * The one-file program: carries Deno, the bundle and the shim, and starts them.
 *
 * build/mars is this program with a payload appended (see pack.sh):
 *
 *   launcher        this program, statically linked
 *   files           deno, libmars.so, mars.js and the modules it imports, and
 *                   mars-single.js, the same program as one module
 *   table           one line per file: "<sha256> <size> <name>\n"
 *   footer          "<build id> <size of table> <size of files> mars1\n"
 *
 * The build id is the SHA-256 of the table. The files are unpacked once into
 * <base>/<build id>, then Deno is executed from there with flags that depend
 * on the subcommand. Bases, the first usable one is taken:
 *
 *   MARS_LAUNCH_DIR set   that directory and no other
 *   root                  /run/mars/bin, /var/cache/mars/bin
 *   else                  $XDG_RUNTIME_DIR/mars/bin, then
 *                         ${TMPDIR:-/tmp}/mars-<uid>/bin
 *
 * If none can be used, Deno, the shim and mars-single.js go into sealed memory
 * files instead, which have no names by which modules could find each other.
 *
 * What is verified, and when:
 *
 *   every start  each directory from / to the base belongs to root or us and
 *                nobody else may write to it (sticky directories excepted);
 *                the files have our owner, exact mode, one name, and exactly
 *                the size, mtime and ctime noted in "seal" when they were
 *                unpacked; modules and shim equal the payload byte by byte
 *   unpacking    the SHA-256 of every file, while it is written
 *
 * The 95 MB of Deno are not read at every start: a write to them changes ctime,
 * which nobody can set. A directory that fails is never run; it is replaced.
 *
 * Order of unpacking: lock, write to ".tmp-<pid>", fsync files, write seal,
 * fsync directory, rename. A crash leaves at most a ".tmp-" directory, which
 * the next one who unpacks removes. Whoever runs from a directory holds a
 * shared lock on it as long as the process lives; directories of other builds
 * without such a lock are removed when a new build is unpacked.
 *
 * Environment for the program: MARS_SHIM, MARS_EXECUTABLE, MARS_MOUNTS for
 * views, DENO_DIR (caches of compiled code, inside the unpacked directory). Everything else named DENO_*
 * or NODE_* is taken away. MARS_DEBUG_LAUNCH=1 explains each step.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include "sha256.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER 57
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* "<64 hex> <10 digits> <12 digits> mars1\n" */
#define FOOTER_BYTES (64 + 1 + 10 + 1 + 12 + 1 + 6)
/* Modules of the program, mostly; twice as many as there are now, and more. */
#define FILES_MAX 256
#define TABLE_BYTES_MAX (FILES_MAX * 256)
#define SEAL_BYTES_MAX (FILES_MAX * 256)
#define FLAGS_MAX 12
#define ARGUMENTS_OWN_MAX (FLAGS_MAX + 20)
#define REMOVE_DEPTH_MAX 8
/* First start of a slow disk included; after that, memory files. */
#define LOCK_WAIT_MS 60000
#define LOCK_POLL_MS 5
/* Killed after everybody else, but for those who said never. */
#define OOM_SCORE "-900"
#define COPY_BYTES (1024 * 1024)
#define COMPARE_BYTES (128 * 1024)

struct file {
	char digest[65];
	char name[128];
	off_t size;
	off_t offset; /* in the program file */
};

struct payload {
	int fd;
	char executable[PATH_MAX];
	char build_id[65];
	struct file files[FILES_MAX];
	int count;
	off_t size;
	const unsigned char *bytes; /* all of the program file */
};

enum verdict { INTACT, ABSENT, DAMAGED };

static bool debugging;
static char why[512];

__attribute__((format(printf, 1, 2))) static void explain(const char *format, ...)
{
	va_list list;

	if (!debugging)
		return;
	va_start(list, format);
	fputs("mars launch: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
}

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fputs("mars: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	exit(1);
}

/* Notes why something cannot be used; always false. */
__attribute__((format(printf, 1, 2))) static bool refuse(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(why, sizeof(why), format, list);
	va_end(list);
	return false;
}

/* ------------------------------------------------------------- permissions */

#define READ "--deny-import", "--allow-read", "--allow-env", "--allow-sys"
#define WRITE READ, "--allow-write"
#define SHIM "--allow-ffi" /* of the shim and nothing else */
#define SSH "--allow-run=ssh" /* only together with the option --ssh */
#define HOOKS "--allow-run" /* of hooks and the logger, if there are any */
#define UNITS "--allow-run=systemctl" /* and ps, besides those of HOOKS */

/*
 * One thread per resource, each with a heap of its own: small young generations
 * keep eight of them at 230 instead of 311 MB, and what the data plane touches
 * per request it has allocated beforehand.
 */
#define SMALL_HEAP "--v8-flags=--max-semi-space-size=1"

/*
 * Commands and what they may do; the first match counts, a "*" at the end
 * stands for any rest. Deno counts everything below /dev, /proc and /sys as
 * "all", and a ring needs pointers, which only an FFI permission without path
 * allows: the daemon can be narrowed no further.
 */
static const struct permission {
	const char *command;
	const char *flags[FLAGS_MAX];
} PERMISSIONS[] = {
	{ "", { READ } }, /* no command: help */
	{ "help", { READ } },
	{ "h", { READ } },
	{ "version", { READ } },
	{ "v", { READ } },
	{ "manual", { READ } },
	{ "completion", { READ } },
	{ "view*", { READ } },
	{ "status", { READ } },
	{ "cstate", { READ } },
	{ "dstate", { READ } },
	{ "role", { READ } },
	{ "state", { READ } },
	{ "mars-state", { READ } },
	{ "show*", { READ } },
	{ "prettyprint-*", { READ } },
	{ "get-*", { READ } },
	{ "cat", { READ } },
	{ "wait-*", { WRITE, SHIM } },
	{ "forced view", { WRITE, SHIM } }, /* macros that write links */
	{ "dump-*", { WRITE } },
	{ "log", { READ, SHIM } },
	{ "key", { WRITE } },
	{ "token", { WRITE } },
	{ "join-cluster", { WRITE, SHIM, SSH, HOOKS, "--allow-net" } },
	{ "merge-cluster-list", { READ } },
	{ "merge-cluster*", { WRITE, SHIM, SSH, HOOKS, "--allow-net" } },
	{ "lowlevel-set-host-ip", { WRITE, SHIM, HOOKS, "--allow-net" } },
	{ "set-systemd-*", { WRITE, SHIM, UNITS } },
	{ "systemd-*", { WRITE, SHIM, UNITS } },
	{ "primary", { WRITE, SHIM, UNITS } },
	{ "secondary", { WRITE, SHIM, UNITS } },
	{ "detach", { WRITE, SHIM, UNITS } },
	{ "down", { WRITE, SHIM, UNITS } },
	{ "install", { WRITE, UNITS } },
	{ "uninstall", { WRITE, UNITS } },
	{ "device", { "--allow-all" } }, /* /dev and /proc, and a ring */
	{ "daemon", { "--allow-all", SMALL_HEAP } },
	{ "demo", { "--allow-all" } },
	{ "*", { WRITE, SHIM, HOOKS } },
};

/* Options whose value may be the next word, as in src/cli/options.ts. */
static const char *const OPTIONS_WITH_VALUE[] = {
	"--ignore-deleted-peers", "--error-injection-phase", "--timeout",
	"--window", "--macro", "--threshold", "--stuck-seconds",
	"--thresh-logfiles", "--thresh-logsize", "--keep-backup-hours",
	"--backup-dir", "--host", "--ip", "--token", "--ssh-port", "--ssh-opts",
	"--mars-dir", "--run-dir", "--etc-dir", "--control-dir", "--port",
	"--logger", "--systemd-enable", "--acknowledge", "--listen",
	"--reserve", "--trace", "--trace-format", "--max-deletions",
	"--delete-method", "--prefix",
};

static const char *command_of(int argc, char **argv)
{
	const size_t count = sizeof(OPTIONS_WITH_VALUE) / sizeof(char *);

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--"))
			return i + 1 < argc ? argv[i + 1] : "";
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h") ||
		    !strcmp(argv[i], "--version"))
			return "help";
		if (argv[i][0] != '-')
			return strncmp(argv[i], "force-", 6) ? argv[i] : argv[i] + 6;
		for (size_t k = 0; k < count; k++)
			if (!strcmp(argv[i], OPTIONS_WITH_VALUE[k]))
				i++;
	}
	return "";
}

static bool has_option(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], option))
			return true;
	return false;
}

/* The value of an option, after "=" or as the next word; the last one counts. */
static const char *value_of(int argc, char **argv, const char *option)
{
	const size_t length = strlen(option);
	const char *value = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], option, length) && argv[i][length] == '=')
			value = argv[i] + length + 1;
		else if (!strcmp(argv[i], option) && i + 1 < argc)
			value = argv[i + 1];
	}
	return value;
}

static const struct permission *permission_of(const char *command)
{
	const struct permission *row = PERMISSIONS;

	for (;; row++) {
		size_t length = strlen(row->command);

		if (length > 0 && row->command[length - 1] == '*') {
			if (!strncmp(command, row->command, length - 1))
				return row;
		} else if (!strcmp(command, row->command)) {
			return row;
		}
	}
}

/* ----------------------------------------------------------------- payload */

static void read_fully(int fd, void *buffer, size_t length, off_t offset)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = pread(fd, (char *)buffer + done, length - done,
				    offset + (off_t)done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			fail("Cannot read the program file: %s",
			     got < 0 ? strerror(errno) : "it is truncated");
		done += (size_t)got;
	}
}

static void load_payload(struct payload *payload)
{
	char footer[FOOTER_BYTES + 1] = "";
	char table[TABLE_BYTES_MAX + 1] = "";
	long table_bytes = 0;
	long files_bytes = 0;
	char *line = table;
	void *map;
	off_t offset;
	struct stat info;
	ssize_t length = readlink("/proc/self/exe", payload->executable,
				  sizeof(payload->executable) - 1);

	if (length > 0)
		payload->executable[length] = '\0';
	else if (!realpath((char *)getauxval(AT_EXECFN), payload->executable))
		fail("Cannot find the program file: %s", strerror(errno));
	payload->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (payload->fd < 0)
		payload->fd = open(payload->executable, O_RDONLY | O_CLOEXEC);
	if (payload->fd < 0 || fstat(payload->fd, &info) < 0)
		fail("Cannot open \"%s\": %s", payload->executable, strerror(errno));
	payload->size = info.st_size;
	if (info.st_size > FOOTER_BYTES)
		read_fully(payload->fd, footer, FOOTER_BYTES,
			   info.st_size - FOOTER_BYTES);
	if (strcmp(footer + FOOTER_BYTES - 6, "mars1\n") ||
	    sscanf(footer, "%64[0-9a-f] %ld %ld", payload->build_id,
		   &table_bytes, &files_bytes) != 3 ||
	    strlen(payload->build_id) != 64 || table_bytes <= 0 ||
	    table_bytes > TABLE_BYTES_MAX || files_bytes <= 0 ||
	    files_bytes > info.st_size - FOOTER_BYTES - table_bytes)
		fail("Cannot start \"%s\": it is truncated or not complete",
		     payload->executable);
	read_fully(payload->fd, table, (size_t)table_bytes,
		   info.st_size - FOOTER_BYTES - table_bytes);
	offset = info.st_size - FOOTER_BYTES - table_bytes - files_bytes;
	while (*line && payload->count < FILES_MAX) {
		struct file *file = &payload->files[payload->count++];
		char *end = strchr(line, '\n');
		long size = 0;

		if (!end ||
		    sscanf(line, "%64[0-9a-f] %ld %127[a-zA-Z0-9._-]",
			   file->digest, &size, file->name) != 3)
			fail("Cannot start \"%s\": its table is damaged",
			     payload->executable);
		file->size = size;
		file->offset = offset;
		offset += size;
		line = end + 1;
	}
	if (*line || offset != info.st_size - FOOTER_BYTES - table_bytes)
		fail("Cannot start \"%s\": its table is damaged",
		     payload->executable);
	map = mmap(NULL, (size_t)payload->size, PROT_READ, MAP_PRIVATE,
		   payload->fd, 0);
	if (map == MAP_FAILED)
		fail("Cannot map \"%s\": %s", payload->executable, strerror(errno));
	payload->bytes = map;
}

static const struct file *file_named(const struct payload *payload, const char *name)
{
	for (int i = 0; i < payload->count; i++)
		if (!strcmp(payload->files[i].name, name))
			return &payload->files[i];
	fail("Cannot start \"%s\": it does not contain \"%s\"",
	     payload->executable, name);
}

/* The bytes of a file in the payload; stay mapped until exec. */
static const unsigned char *bytes_of(const struct payload *payload, const struct file *file)
{
	return payload->bytes + file->offset;
}

/* Is this file for memory only, where modules cannot import each other? */
static bool is_single(const struct file *file)
{
	return !strcmp(file->name, "mars-single.js");
}

static mode_t mode_of(const struct file *file)
{
	return strcmp(file->name, "deno") ? 0400 : 0500;
}

/* --------------------------------------------------------------- directory */

/* May nobody but root and us change entries of this directory? */
static bool is_trusted(int fd, const char *path, bool must_be_ours)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return refuse("%s: %s", path, strerror(errno));
	if (info.st_uid != geteuid() && (must_be_ours || info.st_uid != 0))
		return refuse("%s belongs to user %u", path, info.st_uid);
	if ((info.st_mode & 022) && (must_be_ours || !(info.st_mode & S_ISVTX)))
		return refuse("%s may be written by others (mode %04o)", path,
			      info.st_mode & 07777);
	return true;
}

/*
 * Opens a base: `prefix` must exist, the components of `tail` are made if
 * missing. Returns a descriptor, or -1 with the reason in `why`; `path`
 * becomes the real path.
 */
static int open_base(const char *prefix, const char *tail, char path[PATH_MAX])
{
	char rest[PATH_MAX];
	char *component;
	char *save = NULL;
	bool making = false;
	struct statvfs volume;
	size_t prefix_length;
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || prefix[0] != '/' || !realpath(prefix, path)) {
		refuse("%s: %s", prefix, prefix[0] == '/' ? strerror(errno) : "is not absolute");
		goto refused;
	}
	prefix_length = strlen(path);
	if (snprintf(rest, sizeof(rest), "%s/%s", path, tail) >= PATH_MAX - 160) {
		refuse("%s: the path is too long", prefix);
		goto refused;
	}
	if (!is_trusted(fd, "/", false))
		goto refused;
	path[0] = '\0';
	for (component = strtok_r(rest, "/", &save); component;
	     component = strtok_r(NULL, "/", &save)) {
		int next;

		strcat(strcat(path, "/"), component);
		making = strlen(path) > prefix_length;
		if (making && mkdirat(fd, component, 0700) < 0 && errno != EEXIST) {
			refuse("%s: %s", path, strerror(errno));
			goto refused;
		}
		next = openat(fd, component, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			/* A prefix may be passable without being readable. */
			next = openat(fd, component, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		}
		if (next < 0) {
			refuse("%s: %s", path, strerror(errno));
			goto refused;
		}
		close(fd);
		fd = next;
		if (!is_trusted(fd, path, making))
			goto refused;
	}
	if (!is_trusted(fd, path, true))
		goto refused;
	if (fstatvfs(fd, &volume) == 0 && (volume.f_flag & ST_NOEXEC)) {
		refuse("%s is mounted noexec", path);
		goto refused;
	}
	return fd;
refused:
	if (fd >= 0)
		close(fd);
	return -1;
}

/*
 * Writes what identifies the unpacked files to `seal`, or returns false if
 * one of them is not as we make them.
 */
static bool describe(const struct payload *payload, int dir, char seal[SEAL_BYTES_MAX])
{
	int used = snprintf(seal, SEAL_BYTES_MAX, "%s\n", payload->build_id);

	for (int i = 0; i < payload->count; i++) {
		const struct file *file = &payload->files[i];
		struct stat info;

		if (is_single(file))
			continue;
		if (fstatat(dir, file->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
			return refuse("%s: %s", file->name, strerror(errno));
		if (!S_ISREG(info.st_mode) || info.st_nlink != 1 ||
		    info.st_uid != geteuid() ||
		    (info.st_mode & 07777) != mode_of(file))
			return refuse("%s has another type, owner or mode", file->name);
		if (info.st_size != file->size)
			return refuse("%s has %lld bytes, not %lld", file->name,
				      (long long)info.st_size, (long long)file->size);
		used += snprintf(seal + used, (size_t)(SEAL_BYTES_MAX - used),
				 "%s %lld %lld.%09ld %lld.%09ld\n", file->name,
				 (long long)info.st_size,
				 (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec,
				 (long long)info.st_ctim.tv_sec, info.st_ctim.tv_nsec);
	}
	return true;
}

static bool equals_payload(const struct payload *payload, int dir, const struct file *file)
{
	static unsigned char buffer[COMPARE_BYTES];
	const unsigned char *wanted = bytes_of(payload, file);
	off_t left = file->size;
	int fd = openat(dir, file->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return refuse("%s: %s", file->name, strerror(errno));
	while (left > 0) {
		ssize_t got = read(fd, buffer, sizeof(buffer));

		if (got <= 0 || got > left || memcmp(buffer, wanted, (size_t)got))
			break;
		wanted += got;
		left -= got;
	}
	close(fd);
	return left == 0 || refuse("%s has been changed", file->name);
}

/*
 * Looks at the unpacked directory. On INTACT `*result` is a descriptor of it
 * that holds a shared lock and survives exec.
 */
static enum verdict verify(const struct payload *payload, int base, int *result)
{
	char wanted[SEAL_BYTES_MAX];
	char found[SEAL_BYTES_MAX] = "";
	struct stat opened;
	struct stat named;
	int seal;
	int dir = openat(base, payload->build_id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);

	if (dir < 0 && errno == ENOENT) {
		refuse("not unpacked yet");
		return ABSENT;
	}
	if (dir < 0) {
		refuse("%s", strerror(errno));
		return DAMAGED;
	}
	/* Whoever removes it holds the other kind of lock. */
	if (flock(dir, LOCK_SH | LOCK_NB) < 0 || fstat(dir, &opened) < 0 ||
	    fstatat(base, payload->build_id, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) {
		close(dir);
		refuse("just being removed");
		return ABSENT;
	}
	if (opened.st_uid != geteuid() || (opened.st_mode & 07777) != 0700) {
		refuse("it has another owner or mode");
		goto damaged;
	}
	if (!describe(payload, dir, wanted))
		goto damaged;
	seal = openat(dir, "seal", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (seal < 0 || read(seal, found, sizeof(found) - 1) < 0) {
		refuse("seal: %s", strerror(errno));
		if (seal >= 0)
			close(seal);
		goto damaged;
	}
	close(seal);
	if (strcmp(wanted, found)) {
		refuse("a file was changed after it was unpacked");
		goto damaged;
	}
	for (int i = 0; i < payload->count; i++) {
		const struct file *file = &payload->files[i];

		if (strcmp(file->name, "deno") && !is_single(file) &&
		    !equals_payload(payload, dir, file))
			goto damaged;
	}
	*result = dir;
	return INTACT;
damaged:
	close(dir);
	return DAMAGED;
}

static void remove_tree(int parent, const char *name, int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (dir) {
		fchmod(fd, 0700);
		while (depth < REMOVE_DEPTH_MAX && (entry = readdir(dir)))
			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
				remove_tree(fd, entry->d_name, depth + 1);
		closedir(dir);
		unlinkat(parent, name, AT_REMOVEDIR);
	} else {
		if (fd >= 0)
			close(fd);
		unlinkat(parent, name, 0);
	}
}

/* Removes leftovers of crashes and builds that nobody runs. Needs the lock. */
static void clean(const struct payload *payload, int base)
{
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;
		bool build = strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
		int other;

		if (!strncmp(name, ".tmp-", 5)) {
			explain("removing leftover %s", name);
			remove_tree(base, name, 0);
		}
		if (!build || !strcmp(name, payload->build_id))
			continue;
		other = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (other >= 0 && flock(other, LOCK_EX | LOCK_NB) == 0) {
			explain("removing unused build %.12s", name);
			remove_tree(base, name, 0);
		}
		if (other >= 0)
			close(other);
	}
	closedir(dir);
}

static bool write_fully(int fd, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t done = write(fd, bytes, length);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return false;
		bytes += done;
		length -= (size_t)done;
	}
	return true;
}

static bool unpack_file(const struct payload *payload, int dir, const struct file *file)
{
	const unsigned char *bytes = bytes_of(payload, file);
	struct sha256 state;
	char digest[65];
	bool good = true;
	int fd = openat(dir, file->name,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return refuse("%s: %s", file->name, strerror(errno));
	sha256_start(&state);
	for (off_t at = 0; good && at < file->size; at += COPY_BYTES) {
		off_t left = file->size - at;
		size_t length = left < COPY_BYTES ? (size_t)left : COPY_BYTES;

		sha256_add(&state, bytes + at, length);
		good = write_fully(fd, bytes + at, length);
	}
	good = good && fchmod(fd, mode_of(file)) == 0 && fsync(fd) == 0;
	if (!good)
		refuse("%s: %s", file->name, strerror(errno));
	close(fd);
	sha256_finish(&state, digest);
	if (good && strcmp(digest, file->digest))
		fail("Cannot start \"%s\": it is damaged (digest of \"%s\")",
		     payload->executable, file->name);
	return good;
}

static bool write_seal(const struct payload *payload, int dir)
{
	char seal[SEAL_BYTES_MAX];
	bool good;
	int fd;

	if (!describe(payload, dir, seal))
		return false;
	fd = openat(dir, "seal", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	good = fd >= 0 && write_fully(fd, (unsigned char *)seal, strlen(seal)) &&
	       fsync(fd) == 0;
	if (!good)
		refuse("seal: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return good;
}

/* Makes the directory, replacing a damaged one. Needs the lock. */
static bool unpack(const struct payload *payload, int base)
{
	char fresh[32];
	char old[32];
	bool good;
	int dir;
	struct statvfs volume;

	if (fstatvfs(base, &volume) == 0 &&
	    (off_t)volume.f_bavail * (off_t)volume.f_frsize < payload->size)
		return refuse("less than %lld MB free", (long long)payload->size >> 20);
	snprintf(fresh, sizeof(fresh), ".tmp-%d", getpid());
	snprintf(old, sizeof(old), ".tmp-old-%d", getpid());
	if (mkdirat(base, fresh, 0700) < 0)
		return refuse("%s", strerror(errno));
	dir = openat(base, fresh, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	good = dir >= 0 && fchmod(dir, 0700) == 0 && mkdirat(dir, "cache", 0700) == 0;
	if (!good)
		refuse("%s", strerror(errno));
	for (int i = 0; good && i < payload->count; i++)
		good = is_single(&payload->files[i]) ||
		       unpack_file(payload, dir, &payload->files[i]);
	good = good && write_seal(payload, dir);
	if (good && fsync(dir) < 0)
		good = refuse("%s", strerror(errno));
	if (good && renameat(base, payload->build_id, base, old) < 0 && errno != ENOENT)
		good = refuse("%s", strerror(errno));
	if (good && renameat(base, fresh, base, payload->build_id) < 0)
		good = refuse("%s", strerror(errno));
	if (good)
		fsync(base);
	else
		remove_tree(base, fresh, 0);
	remove_tree(base, old, 0);
	if (dir >= 0)
		close(dir);
	return good;
}

/* An exclusive lock on the base, or -1. A crash of its holder releases it. */
static int lock_base(int base)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	int fd = openat(base, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		refuse(".lock: %s", strerror(errno));
		return -1;
	}
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_POLL_MS) {
		if (waited >= LOCK_WAIT_MS || (errno != EWOULDBLOCK && errno != EINTR)) {
			refuse(".lock: %s", strerror(errno));
			close(fd);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
	return fd;
}

/* Finds or makes the directory below a base; its path goes to `path`. */
static bool use_directory(const struct payload *payload, const char *prefix,
			  const char *tail, char path[PATH_MAX])
{
	int held = -1;
	int lock = -1;
	int base = open_base(prefix, tail, path);
	enum verdict verdict;

	if (base < 0) {
		explain("not usable: %s", why);
		return false;
	}
	verdict = verify(payload, base, &held);
	if (verdict != INTACT) {
		explain("%s/%.12s: %s", path, payload->build_id, why);
		lock = lock_base(base);
		/* Somebody else may have unpacked while we waited. */
		verdict = lock < 0 ? DAMAGED : verify(payload, base, &held);
		if (lock >= 0 && verdict != INTACT) {
			clean(payload, base);
			if (unpack(payload, base)) {
				explain("unpacked into %s", path);
				verdict = verify(payload, base, &held);
			}
		}
		if (lock >= 0)
			close(lock);
	}
	close(base);
	if (verdict != INTACT) {
		explain("not usable: %s: %s", path, why);
		return false;
	}
	strcat(strcat(path, "/"), payload->build_id);
	return true;
}

static bool find_directory(const struct payload *payload, char path[PATH_MAX])
{
	/* With foreign privileges the environment is not to be trusted. */
	bool plain = !getauxval(AT_SECURE);
	const char *wanted = plain ? getenv("MARS_LAUNCH_DIR") : NULL;
	const char *runtime = plain ? getenv("XDG_RUNTIME_DIR") : NULL;
	const char *temporary = plain ? getenv("TMPDIR") : NULL;
	char tail[64];

	if (wanted)
		return use_directory(payload, wanted, "", path);
	if (geteuid() == 0)
		return use_directory(payload, "/run", "mars/bin", path) ||
		       use_directory(payload, "/var/cache", "mars/bin", path);
	if (runtime && *runtime && use_directory(payload, runtime, "mars/bin", path))
		return true;
	snprintf(tail, sizeof(tail), "mars-%u/bin", geteuid());
	return use_directory(payload, temporary && *temporary ? temporary : "/tmp",
			     tail, path);
}

/* ------------------------------------------------------------ memory files */

static int memory_file(const struct payload *payload, const char *name, bool keep)
{
	const struct file *file = file_named(payload, name);
	unsigned int flags = MFD_ALLOW_SEALING | (keep ? 0 : MFD_CLOEXEC);
	off_t at = file->offset;
	off_t end = file->offset + file->size;
	int fd = memfd_create(name, flags | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	if (fd < 0)
		fail("Cannot start: no directory can be used (%s) and no memory file can be made (%s)",
		     why, strerror(errno));
	while (at < end) {
		ssize_t done = sendfile(fd, payload->fd, &at, (size_t)(end - at));

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			fail("Cannot start: no directory can be used (%s) and copying to memory failed (%s)",
			     why, done < 0 ? strerror(errno) : "truncated");
	}
	fchmod(fd, mode_of(file));
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

/* -------------------------------------------------------------------- start */

static void set_environment(const char *name, const char *value)
{
	if (setenv(name, value, 1) < 0)
		fail("Cannot set %s: %s", name, strerror(errno));
	explain("%s=%s", name, value);
}

/* Nothing but our own flags decides how the runtime behaves. */
static void clear_environment(void)
{
	for (char **entry = environ; *entry;) {
		size_t length = strcspn(*entry, "=");
		char name[128];

		if ((!strncmp(*entry, "DENO_", 5) || !strncmp(*entry, "NODE_", 5)) &&
		    length < sizeof(name)) {
			memcpy(name, *entry, length);
			name[length] = '\0';
			unsetenv(name);
			entry = environ;
		} else {
			entry++;
		}
	}
}

static char *text(const char *format, ...)
{
	char *result = NULL;
	va_list list;

	va_start(list, format);
	if (vasprintf(&result, format, list) < 0)
		fail("Out of memory");
	va_end(list);
	return result;
}

/* ------------------------------------------------------- hooks and the logger */

/* Adds a program to a list for a flag, separated by commas. */
static void add_program(char **list, const char *path)
{
	char *longer;

	/* A comma would make two programs of it. */
	if (strchr(path, ',') || access(path, X_OK) < 0)
		return;
	longer = *list ? text("%s,%s", *list, path) : text("%s", path);
	free(*list);
	*list = longer;
}

/* Adds what lies in a directory, and if a hook is one, what lies in that. */
static void add_hooks(char **list, const char *directory, const char *prefix)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const char *name = entry->d_name;
		const char *end = strrchr(name, '.');
		char *path;

		if (name[0] == '.' || strncmp(name, prefix, strlen(prefix)))
			continue;
		path = text("%s/%s", directory, name);
		if (*prefix && end && !strcmp(end, ".d"))
			add_hooks(list, path, "");
		else
			add_program(list, path);
		free(path);
	}
	closedir(dir);
}

/* Adds a program that is looked for in PATH, unless it is a path itself. */
static void add_named(char **list, const char *name)
{
	const char *given = getenv("PATH");
	char *path = text("%s", given ? given : "/usr/bin:/bin");
	char *save = NULL;

	if (strchr(name, '/')) {
		add_program(list, name);
	} else {
		for (char *directory = strtok_r(path, ":", &save); directory;
		     directory = strtok_r(NULL, ":", &save)) {
			char *program = text("%s/%s", directory, name);
			bool is_found = !access(program, X_OK);

			if (is_found)
				add_program(list, program);
			free(program);
			if (is_found)
				break;
		}
	}
	free(path);
}

/*
 * What a command may start, as in src/cli/mars_path.ts, syslog.ts and
 * systemd_run.ts. Whether a hook is to be trusted is decided there.
 */
static char *startable(int argc, char **argv, bool with_units)
{
	const char *systemctl = getenv("SYSTEMCTL");
	const char *given = getenv("MARS_PATH");
	const char *etc = getenv("ETC_MARSADM");
	const char *home = getenv("HOME");
	const char *logger = value_of(argc, argv, "--logger");
	char *path = given ? text("%s", given)
			   : text("%s%s:%s:/usr/lib/marsadm:/usr/local/lib/marsadm",
				  home ? home : "", home && *home ? "/.marsadm" : "",
				  etc ? etc : "/etc/marsadm");
	char *list = NULL;
	char *save = NULL;
	char real[PATH_MAX];

	if (!logger || *logger)
		add_program(&list, logger ? logger : "/usr/bin/logger");
	if (with_units) {
		add_named(&list, systemctl ? systemctl : "systemctl");
		add_named(&list, "ps");
	}
	for (char *directory = strtok_r(path, ":", &save); directory;
	     directory = strtok_r(NULL, ":", &save))
		if (directory[0] == '/')
			add_hooks(&list, directory, "hook-");
		else if (realpath(directory, real))
			add_hooks(&list, real, "hook-");
	free(path);
	return list;
}

/* ------------------------------------------------------------------ mounts */

#define DEVICES "/dev/mars"
/* More would not be for people; the environment is bounded, too. */
#define MOUNTS_BYTES_MAX (32 * 1024)

/* Adds the mounts of one device, by either name, under its name in DEVICES. */
static char *add_mounts(char *list, const char *device, const char *real)
{
	FILE *mounts = fopen("/proc/self/mounts", "re");
	char *line = NULL;
	size_t room = 0;

	while (mounts && getline(&line, &room, mounts) > 0) {
		char *rest = strchr(line, ' ');
		char *longer;

		if (!rest)
			continue;
		*rest = '\0';
		if (strcmp(line, device) && strcmp(line, real))
			continue;
		if (strlen(list) + strlen(device) + strlen(rest + 1) >= MOUNTS_BYTES_MAX)
			break;
		longer = text("%s%s %s", list, device, rest + 1);
		free(list);
		list = longer;
	}
	free(line);
	if (mounts)
		fclose(mounts);
	return list;
}

/*
 * Where devices are mounted, as in /proc/mounts, which Deno lets only those
 * read who may do everything.
 */
static char *device_mounts(void)
{
	char *list = text("%s", "");
	DIR *dir = opendir(DEVICES);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char *device = text("%s/%s", DEVICES, entry->d_name);
		char real[PATH_MAX];

		if (entry->d_name[0] != '.' && realpath(device, real))
			list = add_mounts(list, device, real);
		free(device);
	}
	if (dir)
		closedir(dir);
	return list;
}

/*
 * Whoever writes to a device waits for the daemon, and the kernel may write to
 * one in order to get memory: the daemon must neither be the victim then, nor
 * wait for memory that its own devices have to give. Both pass to all threads.
 * Without the right to it the daemon runs as it is.
 */
static void protect_from_shortage(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, OOM_SCORE, strlen(OOM_SCORE)) < 0)
		explain("no protection from the OOM killer: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		explain("no protection from shortage of memory: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct payload payload;
	const char *debug = getenv("MARS_DEBUG_LAUNCH");
	const char *command = command_of(argc, argv);
	const bool is_view = !strncmp(command, "view", 4);
	const bool is_forced = has_option(argc, argv, "--force") ||
			       has_option(argc, argv, "-f");
	const struct permission *permission =
		permission_of(is_view && is_forced ? "forced view" : command);
	char **words = calloc((size_t)argc + ARGUMENTS_OWN_MAX, sizeof(char *));
	char *bundle;
	char *shim;
	char *cache;
	char path[PATH_MAX];
	int count = 0;
	int deno = -1;

	debugging = debug && *debug && strcmp(debug, "0");
	if (!words)
		fail("Out of memory");
	load_payload(&payload);
	explain("program %s, build %.12s", payload.executable, payload.build_id);
	if (find_directory(&payload, path)) {
		explain("running from %s", path);
		bundle = text("%s/mars.js", path);
		shim = text("%s/libmars.so", path);
		cache = text("%s/cache", path);
	} else {
		explain("running from memory");
		deno = memory_file(&payload, "deno", false);
		bundle = text("/proc/self/fd/%d", memory_file(&payload, "mars-single.js", true));
		shim = text("/proc/self/fd/%d", memory_file(&payload, "libmars.so", true));
		/* Nothing can be made below a device: no cache. */
		cache = text("/dev/null/cache");
	}

	if (!strcmp(command, "daemon") && geteuid() == 0)
		protect_from_shortage();
	clear_environment();
	set_environment("MARS_SHIM", shim);
	set_environment("MARS_EXECUTABLE", payload.executable);
	set_environment("DENO_DIR", cache);
	set_environment("DENO_NO_UPDATE_CHECK", "1");
	if (is_view)
		set_environment("MARS_MOUNTS", device_mounts());

	words[count++] = "deno";
	words[count++] = "run";
	words[count++] = "--quiet";
	words[count++] = "--no-prompt";
	words[count++] = "--no-config";
	words[count++] = "--no-lock";
	words[count++] = "--no-remote";
	words[count++] = "--no-npm";
	words[count++] = "--cached-only";
	for (int i = 0; i < FLAGS_MAX && permission->flags[i]; i++) {
		const char *flag = permission->flags[i];

		if (!strcmp(flag, SHIM))
			words[count++] = text("%s=%s", SHIM, shim);
		else if (!strcmp(flag, HOOKS) || !strcmp(flag, UNITS)) {
			const char *programs =
				startable(argc, argv, !strcmp(flag, UNITS));

			if (programs)
				words[count++] = text("%s=%s", HOOKS, programs);
		} else if (strcmp(flag, SSH) || has_option(argc, argv, "--ssh"))
			words[count++] = text("%s", flag);
	}
	if (deno >= 0) {
		words[count++] = "--no-code-cache";
		words[count++] = "--ext=js";
	}
	words[count++] = bundle;
	for (int i = 1; i < argc; i++)
		words[count++] = argv[i];
	for (int i = 0; i < count; i++)
		explain("argument %d: %s", i, words[i]);

	if (deno >= 0)
		execveat(deno, "", words, environ, AT_EMPTY_PATH);
	else
		execve(text("%s/deno", path), words, environ);
	fail("Cannot execute the runtime in \"%s\": %s",
	     deno >= 0 ? "memory" : path, strerror(errno));
}
