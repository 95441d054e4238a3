/*
 * The shim with a clock in it: when a worker takes a request from the ring,
 * computes checksums, writes the log and enters the ring again. Built as
 * build/libmars-profile.so and put in the place of the shim by the bench alone.
 *
 * A turn counts that has exactly one log write, as at depth 1. The first
 * SKIPPED ones are not noted; the next SAMPLES go to the file that MARS_PROFILE
 * names, as lines of
 *
 *   wait before checksums between write after        microseconds
 *
 *   wait       inside the ring: results are handed over, the client goes on,
 *              its next request wakes the worker
 *   before     until the first checksum: request decoded, stamped, copied
 *   checksums  until the end of the last one, headers of records in between
 *   between    until the log write
 *   write      the log write
 *   after      dirty map, answer, whatever else there is to be done in a turn
 *
 * A system call can be dear in a virtual machine, and so can be the clock of the
 * kernel: hence the counter of the processor.
 */
#define mars_ring_enter plain_ring_enter
#define mars_file_write plain_file_write
#define mars_crc32c plain_crc32c
#define mars_crc32c_fold plain_crc32c_fold
#include "../../ffi/shim.c"
#undef mars_ring_enter
#undef mars_file_write
#undef mars_crc32c
#undef mars_crc32c_fold

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SKIPPED 20000
#define SAMPLES 20000
#define STAGES 6

static uint64_t ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t value;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
#else
#error "no counter is known here"
#endif
}

static uint64_t nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* One turn of one thread. */
static __thread struct {
	uint64_t enter;
	uint64_t taken;
	uint64_t summing;
	uint64_t summed;
	uint64_t writing;
	uint64_t written;
	uint32_t writes;
} turn;

static uint64_t samples[SAMPLES][STAGES];
static uint32_t count;
static uint64_t first_tick;
static uint64_t first_ns;

static void report(void)
{
	const char *path = getenv("MARS_PROFILE");
	FILE *out = path ? fopen(path, "w") : NULL;
	double per_us = (double)(ticks() - first_tick) * 1000 /
			(double)(nanoseconds() - first_ns);

	if (!out)
		return;
	for (uint32_t each = 0; each < SAMPLES; each++)
		for (uint32_t stage = 0; stage < STAGES; stage++)
			fprintf(out, "%.3f%c",
				(double)samples[each][stage] / per_us,
				stage + 1 < STAGES ? ' ' : '\n');
	fclose(out);
}

static void note(uint64_t end)
{
	uint64_t *sample;

	if (turn.writes != 1 || !turn.summing || !turn.enter)
		return;
	if (count == SKIPPED + SAMPLES)
		return;
	if (count++ < SKIPPED)
		return;
	if (!first_tick) {
		first_tick = ticks();
		first_ns = nanoseconds();
	}
	sample = samples[count - 1 - SKIPPED];
	sample[0] = turn.taken - turn.enter;
	sample[1] = turn.summing - turn.taken;
	sample[2] = turn.summed - turn.summing;
	sample[3] = turn.writing - turn.summed;
	sample[4] = turn.written - turn.writing;
	sample[5] = end - turn.written;
	if (count == SKIPPED + SAMPLES)
		report();
}

int mars_ring_enter(int fd, uint32_t to_submit, uint32_t min_complete,
		    uint32_t flags)
{
	uint64_t enter = ticks();
	int result;

	note(enter);
	result = plain_ring_enter(fd, to_submit, min_complete, flags);
	turn.enter = enter;
	turn.taken = ticks();
	turn.summing = 0;
	turn.writes = 0;
	return result;
}

int mars_file_write(int fd, const uint8_t *base, uint32_t start,
		    uint32_t length, double offset)
{
	int result;

	turn.writing = ticks();
	result = plain_file_write(fd, base, start, length, offset);
	turn.written = ticks();
	turn.writes++;
	return result;
}

uint32_t mars_crc32c(const uint8_t *base, uint32_t start, uint32_t length)
{
	uint32_t result;

	if (!turn.summing)
		turn.summing = ticks();
	result = plain_crc32c(base, start, length);
	turn.summed = ticks();
	return result;
}

void mars_crc32c_fold(uint8_t *base, uint32_t start, uint32_t length,
		      uint32_t target)
{
	if (!turn.summing)
		turn.summing = ticks();
	plain_crc32c_fold(base, start, length, target);
	turn.summed = ticks();
}
