#include "start.h"

#include <stddef.h>
#include <string.h>

#include "board.h"

#define STACK_PAINT 0xA5A5A5A5u

/* Set by the linker script. */
extern uint32_t aed_data_start[], aed_data_end[], aed_bss_start[], aed_bss_end[];
extern const uint32_t aed_data_image[], aed_flash_start[];

static uint32_t between(const void *start, const void *end) {
  return (uint32_t)((uintptr_t)end - (uintptr_t)start);
}

/* Before any compiled code: the compiler may use FP registers and the stack in every function. */
__attribute__((naked)) void aed_reset(void) {
  __asm volatile("ldr r0, =aed_stack_start \n"
                 "msr msplim, r0           \n"
                 "ldr r1, =aed_stack_end   \n"
                 "mov sp, r1               \n"
                 "ldr r2, =0xA5A5A5A5      \n" /* STACK_PAINT */
                 "1: str r2, [r0], #4      \n"
                 "cmp r0, r1               \n"
                 "blo 1b                   \n"
                 "ldr r0, =0xE000ED88      \n" /* CPACR: full access to CP10 and CP11, the FPU */
                 "ldr r1, [r0]             \n"
                 "orr r1, r1, #0x00F00000  \n"
                 "str r1, [r0]             \n"
                 "dsb                      \n"
                 "isb                      \n"
                 "b aed_start              \n");
}

void aed_start_memory(void) {
  memcpy(aed_data_start, aed_data_image, between(aed_data_start, aed_data_end));
  memset(aed_bss_start, 0, between(aed_bss_start, aed_bss_end));
}

uint32_t aed_board_stack_size(void) {
  return between(aed_stack_start, aed_stack_end);
}

uint32_t aed_board_stack_used(void) {
  const uint32_t *word = aed_stack_start;
  while (word < aed_stack_end && *word == STACK_PAINT) {
    word++;
  }
  return between(word, aed_stack_end);
}

uint32_t aed_board_flash_used(void) {
  return between(aed_flash_start, aed_data_image) + between(aed_data_start, aed_data_end);
}

uint32_t aed_board_ram_used(void) {
  return between(aed_stack_start, aed_bss_end);
}
