/*
 * SHA-256 for the launcher, which is linked statically and without libraries.
 *
 * Source: FIPS 180-4. The tests compare it with the system's sha256sum through
 * the digests that pack.sh puts into the payload.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct sha256 {
	uint32_t state[8];
	uint64_t length;
	unsigned char block[64];
};

static const uint32_t SHA256_CONSTANTS[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t sha256_rotate(uint32_t value, int count)
{
	return value >> count | value << (32 - count);
}

static void sha256_block(uint32_t state[8], const unsigned char *bytes)
{
	uint32_t schedule[64];
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];

	for (int i = 0; i < 16; i++)
		schedule[i] = (uint32_t)bytes[4 * i] << 24 |
			      (uint32_t)bytes[4 * i + 1] << 16 |
			      (uint32_t)bytes[4 * i + 2] << 8 |
			      (uint32_t)bytes[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		uint32_t x = schedule[i - 15];
		uint32_t y = schedule[i - 2];

		schedule[i] = schedule[i - 16] + schedule[i - 7] +
			      (sha256_rotate(x, 7) ^ sha256_rotate(x, 18) ^ x >> 3) +
			      (sha256_rotate(y, 17) ^ sha256_rotate(y, 19) ^ y >> 10);
	}
	for (int i = 0; i < 64; i++) {
		uint32_t one = h + SHA256_CONSTANTS[i] + schedule[i] +
			       (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^
				sha256_rotate(e, 25)) +
			       ((e & f) ^ (~e & g));
		uint32_t two = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^
				sha256_rotate(a, 22)) +
			       ((a & b) ^ (a & c) ^ (b & c));

		h = g, g = f, f = e, e = d + one;
		d = c, c = b, b = a, a = one + two;
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d;
	state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

static void sha256_start(struct sha256 *sum)
{
	static const uint32_t START[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(sum->state, START, sizeof(START));
	sum->length = 0;
}

static void sha256_add(struct sha256 *sum, const unsigned char *bytes, size_t length)
{
	while (length > 0) {
		size_t used = sum->length % 64;
		size_t count = 64 - used < length ? 64 - used : length;

		memcpy(sum->block + used, bytes, count);
		sum->length += count;
		bytes += count;
		length -= count;
		if (sum->length % 64 == 0)
			sha256_block(sum->state, sum->block);
	}
}

static void sha256_finish(struct sha256 *sum, char hex[65])
{
	static const unsigned char PADDING[64] = { 0x80 };
	uint64_t bits = sum->length * 8;
	unsigned char end[8];

	sha256_add(sum, PADDING, (119 - sum->length % 64) % 64 + 1);
	for (int i = 0; i < 8; i++)
		end[i] = (unsigned char)(bits >> (56 - 8 * i));
	sha256_add(sum, end, 8);
	for (int i = 0; i < 8; i++)
		snprintf(hex + 8 * i, 9, "%08x", sum->state[i]);
}
