/*
 * The system calls and the one checksum that Deno does not offer.
 *
 * Every function makes one system call (or computes one digest, or makes the
 * same calls for each of many links), returns its value or -errno, allocates nothing and keeps no state. Offsets travel as
 * double, which Deno passes without a bigint and which is exact below 2^53.
 * The TypeScript side is shim.ts, in the same order.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static long result_of(long value)
{
	return value < 0 ? -errno : value;
}

/* ---- io_uring ---------------------------------------------------------- */

int mars_ring_setup(uint32_t entries, struct io_uring_params *params)
{
	return result_of(syscall(__NR_io_uring_setup, entries, params));
}

int mars_ring_enter(int fd, uint32_t to_submit, uint32_t min_complete,
		    uint32_t flags)
{
	return result_of(syscall(__NR_io_uring_enter, fd, to_submit,
				 min_complete, flags, NULL, 0));
}

int mars_ring_register(int fd, uint32_t opcode, void *argument, uint32_t count)
{
	return result_of(syscall(__NR_io_uring_register, fd, opcode, argument,
				 count));
}

/* ---- memory ------------------------------------------------------------ */

/* Returns the address, or -errno. */
int64_t mars_memory_map(double length, int protection, int flags, int fd,
			double offset)
{
	void *address = mmap(NULL, (size_t)length, protection, flags, fd,
			     (off_t)offset);

	return address == MAP_FAILED ? -errno : (int64_t)(intptr_t)address;
}

int mars_memory_unmap(double address, double length)
{
	return result_of(munmap((void *)(intptr_t)address, (size_t)length));
}

/*
 * Bounds what the allocator of this process keeps: in how many places threads
 * allocate, from which length on memory is mapped alone, and how much is kept
 * that is free.
 */
int mars_memory_bound(int arenas, int mapped, int kept)
{
#ifdef __GLIBC__
	int is_bound = mallopt(M_ARENA_MAX, arenas) &&
		       mallopt(M_MMAP_THRESHOLD, mapped) &&
		       mallopt(M_TRIM_THRESHOLD, kept);

	return is_bound ? 0 : -EINVAL;
#else
	(void)arenas, (void)mapped, (void)kept;
	return -ENOSYS;
#endif
}

/* Gives all whole pages back that the allocator has free. */
int mars_memory_trim(void)
{
#ifdef __GLIBC__
	return malloc_trim(0);
#else
	return -ENOSYS;
#endif
}

/* ---- files and disks --------------------------------------------------- */

int mars_file_open(const char *path, int flags, uint32_t mode)
{
	return result_of(open(path, flags | O_CLOEXEC, (mode_t)mode));
}

int mars_file_close(int fd)
{
	return result_of(close(fd));
}

/* Bytes of a regular file or of a block device, or -errno. */
double mars_file_size(int fd)
{
	struct stat status;
	uint64_t bytes = 0;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISBLK(status.st_mode))
		return (double)status.st_size;
	return ioctl(fd, BLKGETSIZE64, &bytes) < 0 ? -errno : (double)bytes;
}

/* `bytes` are the offset of the first one into `base`. */
int mars_file_read(int fd, uint8_t *base, uint32_t start, uint32_t length,
		   double offset)
{
	return result_of(pread(fd, base + start, length, (off_t)offset));
}

int mars_file_write(int fd, const uint8_t *base, uint32_t start,
		    uint32_t length, double offset)
{
	return result_of(pwrite(fd, base + start, length, (off_t)offset));
}

int mars_file_flush(int fd)
{
	return result_of(fdatasync(fd));
}

int mars_file_truncate(int fd, double length)
{
	return result_of(ftruncate(fd, (off_t)length));
}

/* Where the next bytes are from `offset` on that are not a hole. */
double mars_file_data(int fd, double offset)
{
	off_t result = lseek(fd, (off_t)offset, SEEK_DATA);

	return result < 0 ? -errno : (double)result;
}

/* Gives storage back; the bytes read as zeroes then. */
int mars_file_punch(int fd, double offset, double length)
{
	return result_of(fallocate(fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)offset, (off_t)length));
}

/* Drops clean pages, so that the next read asks the disk itself. */
int mars_file_forget(int fd, double offset, double length)
{
	return -posix_fadvise(fd, (off_t)offset, (off_t)length,
			      POSIX_FADV_DONTNEED);
}

/* Makes the whole file system durable that holds `fd`. */
int mars_filesystem_flush(int fd)
{
	return result_of(syncfs(fd));
}

int mars_fifo_create(const char *path, uint32_t mode)
{
	return result_of(mkfifo(path, (mode_t)mode));
}

/* ---- links ------------------------------------------------------------- */

/* Deno would want the right to write anywhere for this. */
int mars_link_create(const char *value, const char *path)
{
	return result_of(symlink(value, path));
}

/* Seconds and nanoseconds of the link's own modification time. */
int mars_link_stamp_read(const char *path, int64_t stamp[2])
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return -errno;
	stamp[0] = status.st_mtim.tv_sec;
	stamp[1] = status.st_mtim.tv_nsec;
	return (int)(status.st_mode & S_IFMT);
}

int mars_link_stamp_write(const char *path, const int64_t stamp[2])
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = stamp[0], .tv_nsec = stamp[1] },
	};

	return result_of(utimensat(AT_FDCWD, path, times,
				   AT_SYMLINK_NOFOLLOW));
}

/*
 * Makes links with stamps, one after the other, in a directory that nobody
 * sees yet: `strings` has the name and the value of each.
 */
int mars_links_create(int directory, const char *strings,
		      const int64_t *stamps, uint32_t count)
{
	for (uint32_t index = 0; index < count; index++) {
		const char *name = strings;
		const char *value = name + strlen(name) + 1;
		struct timespec times[2] = {
			{ .tv_nsec = UTIME_OMIT },
			{ .tv_sec = stamps[2 * index],
			  .tv_nsec = stamps[2 * index + 1] },
		};

		if (symlinkat(value, directory, name) < 0 ||
		    utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		strings = value + strlen(value) + 1;
	}
	return 0;
}

int mars_path_rename(const char *from, const char *to, uint32_t flags)
{
	return result_of(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
}

/* ---- watches ----------------------------------------------------------- */

int mars_watch_create(void)
{
	return result_of(inotify_init1(IN_CLOEXEC));
}

/* The number of the watch; the same for a directory that has one. */
int mars_watch_add(int fd, const char *path, uint32_t mask)
{
	return result_of(inotify_add_watch(fd, path, mask));
}

/* Whoever waits in mars_watch_read wakes up. */
int mars_watch_remove(int fd, int watch)
{
	return result_of(inotify_rm_watch(fd, watch));
}

/* Waits until there is something to read. */
int mars_watch_read(int fd, uint8_t *base, uint32_t length)
{
	return result_of(read(fd, base, length));
}

/* ---- wake-up ----------------------------------------------------------- */

int mars_eventfd_create(void)
{
	return result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

/* Adds to an eventfd and thereby wakes the ring that reads it. */
int mars_eventfd_add(int fd, uint32_t count)
{
	uint64_t value = count;

	return result_of(write(fd, &value, sizeof(value)));
}

/* ---- scheduling -------------------------------------------------------- */

/* This thread interrupts no other one when it wakes up. */
int mars_thread_patient(void)
{
	struct sched_param parameter = { .sched_priority = 0 };

	return result_of(sched_setscheduler(0, SCHED_BATCH, &parameter));
}

/* The policy by which the kernel schedules a thread; 0 is this one. */
int mars_thread_policy(int thread)
{
	return result_of(sched_getscheduler(thread));
}

/* Not for policies of real time. To leave SCHED_IDLE takes a privilege. */
int mars_thread_policy_set(int thread, int policy)
{
	struct sched_param parameter = { .sched_priority = 0 };

	return result_of(sched_setscheduler(thread, policy, &parameter));
}

/* 20 less the nice value of this thread. */
int mars_thread_rank(void)
{
	return result_of(syscall(__NR_getpriority, PRIO_PROCESS, 0));
}

/* To raise it takes a privilege. */
int mars_thread_rank_set(int rank)
{
	return result_of(setpriority(PRIO_PROCESS, 0, 20 - rank));
}

/* ---- sockets of the data plane ----------------------------------------- */

int mars_socket_create(void)
{
	return result_of(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

int mars_datagram_create(void)
{
	return result_of(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

/* To the socket at path; a name without a file begins with "@". */
int mars_datagram_send(int fd, const char *path, const uint8_t *base,
		       uint32_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t path_length = strlen(path);

	if (path_length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, path_length);
	if (*path == '@')
		address.sun_path[0] = '\0';
	return result_of(sendto(fd, base, length, MSG_NOSIGNAL,
				(struct sockaddr *)&address,
				offsetof(struct sockaddr_un, sun_path) +
					path_length));
}

int mars_socket_bind(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	return result_of(bind(fd, (struct sockaddr *)&address,
			      sizeof(address)));
}

int mars_socket_listen(int fd, int backlog)
{
	return result_of(listen(fd, backlog));
}

int mars_socket_send(int fd, const uint8_t *base, uint32_t start,
		     uint32_t length)
{
	return result_of(send(fd, base + start, length,
			      MSG_NOSIGNAL | MSG_DONTWAIT));
}

int mars_socket_receive(int fd, uint8_t *base, uint32_t start,
			uint32_t length)
{
	return result_of(recv(fd, base + start, length, MSG_DONTWAIT));
}

int mars_socket_shutdown(int fd)
{
	return result_of(shutdown(fd, SHUT_RDWR));
}

/* The process that has connected to this end of a local socket. */
int mars_socket_peer(int fd)
{
	struct ucred peer = { 0 };
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
		return -errno;
	return peer.pid;
}

/* ---- sockets of lines -------------------------------------------------- */

/* The TCP port of one end of a socket, `peer` 0 or 1; 0 of any other file. */
int mars_socket_port(int fd, int peer)
{
	struct sockaddr_in6 address = { 0 };
	socklen_t length = sizeof(address);
	int result = peer ?
		getpeername(fd, (struct sockaddr *)&address, &length) :
		getsockname(fd, (struct sockaddr *)&address, &length);

	if (result < 0)
		return 0;
	/* The port of an IPv4 address lies at the same place. */
	return address.sin6_family == AF_INET ||
			       address.sin6_family == AF_INET6 ?
		       ntohs(address.sin6_port) :
		       0;
}

int mars_socket_option(int fd, int level, int name, int value)
{
	return result_of(setsockopt(fd, level, name, &value, sizeof(value)));
}

/* ---- digests of blocks ------------------------------------------------- */

/*
 * NH of UMAC over stripes, and again over what that gives: 16 bytes. For who
 * does not know the key two different blocks are alike with a chance of 2^-63;
 * a block of zeroes has a digest of zeroes.
 */
#define STRIPE_BYTES 1024
#define STRIPE_WORDS (STRIPE_BYTES / 8)
#define BLOCK_STRIPES_MAX 1024
#define CHUNK_BYTES (64 * 1024)

typedef unsigned __int128 wide;

static uint64_t word_at(const uint8_t *bytes, size_t index)
{
	uint64_t word;

	memcpy(&word, bytes + 8 * index, 8);
	return le64toh(word);
}

/* Returns whether any byte of the stripe is not zero. */
static int stripe_digest(const uint8_t *bytes, const uint8_t *key, wide *sum)
{
	wide even = 0;
	wide odd = 0;
	uint64_t seen = 0;

	/* Two sums, so that no addition waits for the one before. */
	for (size_t at = 0; at < STRIPE_WORDS; at += 4) {
		uint64_t a = word_at(bytes, at);
		uint64_t b = word_at(bytes, at + 1);
		uint64_t c = word_at(bytes, at + 2);
		uint64_t d = word_at(bytes, at + 3);

		seen |= a | b | c | d;
		even += (wide)(a + word_at(key, at))
			* (b + word_at(key, at + 1));
		odd += (wide)(c + word_at(key, at + 2))
			* (d + word_at(key, at + 3));
	}
	*sum = even + odd;
	return seen != 0;
}

static void digest_store(uint8_t *digest, wide sum)
{
	uint64_t low = htole64((uint64_t)sum);
	uint64_t high = htole64((uint64_t)(sum >> 64));

	memcpy(digest, &low, 8);
	memcpy(digest + 8, &high, 8);
}

static ssize_t read_fully(int fd, uint8_t *bytes, size_t length, off_t offset)
{
	size_t count = 0;

	while (count < length) {
		ssize_t result = pread(fd, bytes + count, length - count,
				       offset + (off_t)count);

		if (result < 0)
			return -errno;
		if (result == 0)
			break;
		count += (size_t)result;
	}
	return (ssize_t)count;
}

/*
 * Digests of the blocks of a range, one behind the other. `block` is a multiple
 * of 1024, at most 1 MiB; `key` has 128 + 2048 words. Returns how many bytes
 * there were.
 */
int mars_file_digest(int fd, double offset, uint32_t length, uint32_t block,
		     const uint8_t *key, uint8_t *digests)
{
	const uint8_t *block_key = key + 8 * STRIPE_WORDS;
	uint8_t chunk[CHUNK_BYTES];
	uint32_t done = 0;
	size_t stripe = 0;
	int seen = 0;
	wide total = 0;

	if (block == 0 || block % STRIPE_BYTES != 0 ||
	    block / STRIPE_BYTES > BLOCK_STRIPES_MAX)
		return -EINVAL;
	while (done < length) {
		uint32_t rest = length - done;
		uint32_t wanted = rest < CHUNK_BYTES ? rest : CHUNK_BYTES;
		ssize_t count = read_fully(fd, chunk, wanted,
					   (off_t)offset + done);

		if (count < 0)
			return (int)count;
		if ((size_t)count < wanted)
			return (int)(done + (uint32_t)count);
		/* The last stripe may be short. */
		if (wanted % STRIPE_BYTES != 0)
			memset(chunk + wanted, 0,
			       STRIPE_BYTES - wanted % STRIPE_BYTES);
		for (uint32_t at = 0; at < wanted; at += STRIPE_BYTES) {
			wide sum;

			seen |= stripe_digest(chunk + at, key, &sum);
			total += (wide)((uint64_t)sum
					+ word_at(block_key, 2 * stripe))
				* ((uint64_t)(sum >> 64)
				   + word_at(block_key, 2 * stripe + 1));
			stripe++;
			done += wanted - at < STRIPE_BYTES ? wanted - at :
							     STRIPE_BYTES;
			if (done % block != 0 && done != length)
				continue;
			digest_store(digests, seen ? total : 0);
			digests += 16;
			stripe = 0;
			total = 0;
			seen = 0;
		}
	}
	return (int)done;
}

/* ---- CRC32C ------------------------------------------------------------ */

static uint32_t crc_table[8][256];

/* Runs when the library is loaded, before any thread can call us. */
__attribute__((constructor)) static void crc_table_fill(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
		crc_table[0][byte] = crc;
	}
	for (uint32_t byte = 0; byte < 256; byte++)
		for (int slice = 1; slice < 8; slice++)
			crc_table[slice][byte] =
				crc_table[0][crc_table[slice - 1][byte] & 0xff]
				^ (crc_table[slice - 1][byte] >> 8);
}

static uint32_t crc_portable(uint32_t crc, const uint8_t *bytes, size_t length)
{
	for (; length >= 8; bytes += 8, length -= 8) {
		uint64_t word;

		memcpy(&word, bytes, 8);
		word = le64toh(word) ^ crc;
		crc = crc_table[7][word & 0xff]
			^ crc_table[6][word >> 8 & 0xff]
			^ crc_table[5][word >> 16 & 0xff]
			^ crc_table[4][word >> 24 & 0xff]
			^ crc_table[3][word >> 32 & 0xff]
			^ crc_table[2][word >> 40 & 0xff]
			^ crc_table[1][word >> 48 & 0xff]
			^ crc_table[0][word >> 56];
	}
	for (; length > 0; bytes++, length--)
		crc = crc_table[0][(crc ^ *bytes) & 0xff] ^ (crc >> 8);
	return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2")))
static uint32_t crc_instruction(uint32_t crc, const uint8_t *bytes,
				size_t length)
{
	uint64_t wide = crc;

	for (; length >= 8; bytes += 8, length -= 8) {
		uint64_t word;

		memcpy(&word, bytes, 8);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; length > 0; bytes++, length--)
		crc = _mm_crc32_u8(crc, *bytes);
	return crc;
}

static int has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc_instruction(uint32_t crc, const uint8_t *bytes,
				size_t length)
{
	return crc_portable(crc, bytes, length);
}

static int has_instruction(void)
{
	return 0;
}
#endif

static uint32_t crc32c(const uint8_t *bytes, size_t length)
{
	return ~(has_instruction() ? crc_instruction(~0u, bytes, length)
				   : crc_portable(~0u, bytes, length));
}

/* CRC32C (Castagnoli), initial value and final inversion all ones. */
uint32_t mars_crc32c(const uint8_t *base, uint32_t start, uint32_t length)
{
	return crc32c(base + start, length);
}

/* The same without the CPU's instruction, to test the one by the other. */
uint32_t mars_crc32c_portable(const uint8_t *base, uint32_t start,
			      uint32_t length)
{
	return ~crc_portable(~0u, base + start, length);
}

/*
 * The digest of a log record: CRC32C of eight parts, the last four folded onto
 * the first four, written to `base + target` as 16 bytes.
 */
void mars_crc32c_fold(uint8_t *base, uint32_t start, uint32_t length,
		      uint32_t target)
{
	uint32_t part_length = length / 8;
	uint32_t words[8];

	for (uint32_t part = 0; part < 7; part++)
		words[part] = crc32c(base + start + part * part_length,
				     part_length);
	words[7] = crc32c(base + start + 7 * part_length,
			  length - 7 * part_length);
	for (uint32_t word = 0; word < 4; word++) {
		uint32_t folded = htole32(words[word] ^ words[word + 4]);

		memcpy(base + target + 4 * word, &folded, 4);
	}
}

/* ---- layouts, to be compared with the constants in TypeScript ---------- */

/* Returns sizeof or offsetof number `index`, or -1 behind the last one. */
int mars_layout(uint32_t index)
{
	static const int layout[] = {
		sizeof(struct io_uring_sqe),
		offsetof(struct io_uring_sqe, opcode),
		offsetof(struct io_uring_sqe, flags),
		offsetof(struct io_uring_sqe, ioprio),
		offsetof(struct io_uring_sqe, fd),
		offsetof(struct io_uring_sqe, off),
		offsetof(struct io_uring_sqe, addr),
		offsetof(struct io_uring_sqe, len),
		offsetof(struct io_uring_sqe, rw_flags),
		offsetof(struct io_uring_sqe, user_data),
		offsetof(struct io_uring_sqe, cmd),
		sizeof(struct io_uring_cqe),
		offsetof(struct io_uring_cqe, user_data),
		offsetof(struct io_uring_cqe, res),
		offsetof(struct io_uring_cqe, flags),
		sizeof(struct io_uring_params),
		offsetof(struct io_uring_params, sq_entries),
		offsetof(struct io_uring_params, cq_entries),
		offsetof(struct io_uring_params, flags),
		offsetof(struct io_uring_params, features),
		offsetof(struct io_uring_params, sq_off),
		offsetof(struct io_uring_params, cq_off),
		offsetof(struct io_sqring_offsets, head),
		offsetof(struct io_sqring_offsets, tail),
		offsetof(struct io_sqring_offsets, ring_mask),
		offsetof(struct io_sqring_offsets, ring_entries),
		offsetof(struct io_sqring_offsets, flags),
		offsetof(struct io_sqring_offsets, array),
		offsetof(struct io_cqring_offsets, head),
		offsetof(struct io_cqring_offsets, tail),
		offsetof(struct io_cqring_offsets, ring_mask),
		offsetof(struct io_cqring_offsets, ring_entries),
		offsetof(struct io_cqring_offsets, cqes),
	};

	if (index >= sizeof(layout) / sizeof(layout[0]))
		return -1;
	return layout[index];
}
