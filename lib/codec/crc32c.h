/* CRC-32C (Castagnoli), with the SSE4.2 instruction where the machine has it.
 * Chainable: crc32c(crc32c(0, a), b) is the checksum of a followed by b. Threads: any. */
#ifndef BARQUE_CODEC_CRC32C_H
#define BARQUE_CODEC_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The same without the instruction: what other machines run, and the test's second opinion. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
