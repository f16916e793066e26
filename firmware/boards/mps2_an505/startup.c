/* Start of the Cortex-M33: vectors, FPU, stack guard, initial memory, faults. */
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "semihosting.h"
#include "start.h"

#define CFSR (*(volatile uint32_t *)0xE000ED28u)
#define HFSR (*(volatile uint32_t *)0xE000ED2Cu)
#define BFAR (*(volatile uint32_t *)0xE000ED38u)

#define EXIT_FAULT 100 /* + exception number */

int main(void);
_Noreturn void aed_fault(const uint32_t *frame, uint32_t exception);
void aed_fault_entry(void);

/* Nothing here uses interrupts: the 16 vectors of the core are enough. */
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    aed_stack_end,
    aed_reset,
    aed_fault_entry,
    aed_fault_entry,
    aed_fault_entry,
    aed_fault_entry,
    aed_fault_entry,
    aed_fault_entry,
    NULL,
    NULL,
    NULL,
    aed_fault_entry,
    aed_fault_entry,
    NULL,
    aed_fault_entry,
    aed_fault_entry,
};

void aed_start(void) {
  aed_start_memory();
  semihosting_exit(main());
}

/* The stack may be what is broken: start again at its
 * top, without the guard. Nothing returns from here. */
__attribute__((naked)) void aed_fault_entry(void) {
  __asm volatile("mov r0, sp              \n"
                 "movs r1, #0             \n"
                 "msr msplim, r1          \n"
                 "ldr r1, =aed_stack_end  \n"
                 "mov sp, r1              \n"
                 "mrs r1, ipsr            \n"
                 "b aed_fault             \n");
}

static char *append_hex(char *out, const char *label, uint32_t value) {
  while (*label != 0) {
    *out++ = *label++;
  }
  for (int32_t shift = 28; shift >= 0; shift -= 4) {
    *out++ = "0123456789abcdef"[(value >> shift) & 15u];
  }
  *out = 0;
  return out;
}

void aed_fault(const uint32_t *frame, uint32_t exception) {
  char text[128];
  const uintptr_t at = (uintptr_t)frame;
  const int32_t readable = at >= (uintptr_t)aed_stack_start && at + 32 <= (uintptr_t)aed_stack_end;
  char *end = append_hex(text, "fault: exception ", exception);
  end = append_hex(end, " cfsr ", CFSR);
  end = append_hex(end, " hfsr ", HFSR);
  end = append_hex(end, " bfar ", BFAR);
  if (readable) { /* r0 r1 r2 r3 r12 lr pc xpsr */
    end = append_hex(end, " pc ", frame[6]);
    end = append_hex(end, " lr ", frame[5]);
  }
  *end++ = '\n';
  *end = 0;
  semihosting_write(text);
  semihosting_exit(EXIT_FAULT + (int32_t)exception);
}
