/* CRC-32 as in Ethernet and zlib: polynomial 0x04C11DB7
 * reflected, start and final XOR 0xFFFFFFFF. */
#ifndef AED_CRC32_H
#define AED_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC of n bytes. Start with crc = 0; the CRC of a first part continues it over the next. */
uint32_t aed_crc32(uint32_t crc, const void *data, size_t n);

#endif
