/* A stand-in for the header of the legacy interface: the names and types that a firmware sees, written
 * anew for the tests. */
#ifndef AI_PLATFORM_H
#define AI_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

typedef uint8_t ai_u8;
typedef uint16_t ai_u16;
typedef int32_t ai_i32;
typedef uint32_t ai_u32;
typedef void *ai_handle;
#define AI_HANDLE_NULL ((ai_handle)NULL)

enum { AI_ERROR_NONE = 0, AI_ERROR_INIT_FAILED = 0x32 };
typedef struct {
  ai_u32 type : 8;
  ai_u32 code : 24;
} ai_error;

typedef struct {
  ai_u32 format;
  ai_handle data;
  void *meta_info;
  ai_u32 flags;
  ai_u32 size;
} ai_buffer;

#endif
