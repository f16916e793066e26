/* Start of the chip: vectors, FPU, stack guard, initial memory, faults. */
#include "startup.h"

#include <stddef.h>
#include <string.h>

#include "microphone.h"
#include "registers.h"
#include "start.h"
#include "uart.h"

#define FAULT_MAGIC 0xFA017EDu
#define FAULT_STACK 256u  /* words; faults have their own stack, theirs may be what is broken */
#define PAUSE 4000000u    /* rounds before a restart: the host sees one report after the other */
#define EXCEPTION_IRQ 16u /* number of the first interrupt */
#define N_VECTORS (EXCEPTION_IRQ + 126u)

int main(void);
_Noreturn void aed_fault(const uint32_t *frame, uint32_t exception);
void aed_fault_entry(void);

/* Survives the reset that follows a fault. */
static struct {
  uint32_t magic;
  uint32_t sum;
  aed_board_fault fault;
} record __attribute__((section(".noinit")));

static aed_board_fault last_fault;

uint32_t aed_fault_stack[FAULT_STACK] __attribute__((section(".noinit"), aligned(8)));

/* The core's exceptions and all 126 interrupts of
 * the chip; one that nobody asked for is a fault. */
#define UNUSED_4 aed_fault_entry, aed_fault_entry, aed_fault_entry, aed_fault_entry
#define UNUSED_16 UNUSED_4, UNUSED_4, UNUSED_4, UNUSED_4
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {
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
    aed_systick,
    UNUSED_16,
    UNUSED_16, /* 0 to 31 */
    aed_fault_entry,
    aed_fault_entry,
    aed_fault_entry,
    aed_microphone_irq, /* 32 to 35 */
    UNUSED_16,
    UNUSED_4,
    UNUSED_4, /* 36 to 59 */
    aed_fault_entry,
    aed_uart_irq,
    aed_fault_entry,
    aed_fault_entry, /* 60 to 63 */
    UNUSED_16,
    UNUSED_16,
    UNUSED_16, /* 64 to 111 */
    UNUSED_4,
    UNUSED_4,
    UNUSED_4,
    aed_fault_entry,
    aed_fault_entry, /* 112 to 125 */
};
_Static_assert(sizeof vectors / sizeof vectors[0] == N_VECTORS, "16 exceptions and 126 interrupts");

static uint32_t sum(const aed_board_fault *fault) {
  uint32_t words[sizeof *fault / sizeof(uint32_t)], total = FAULT_MAGIC;
  memcpy(words, fault, sizeof words);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    total = total * 31u + words[i];
  }
  return total;
}

void aed_start(void) {
  SCB_VTOR = (uint32_t)(uintptr_t)vectors;
  SCB_SHCSR |= SCB_SHCSR_FAULTS;
  aed_start_memory();
  if (record.magic == FAULT_MAGIC && record.sum == sum(&record.fault)) {
    last_fault = record.fault;
  }
  record.magic = 0;
  (void)main();
  aed_restart();
}

void aed_last_fault(aed_board_fault *fault) {
  *fault = last_fault;
}

void aed_restart(void) {
  __asm volatile("dsb" ::: "memory");
  SCB_AIRCR = SCB_AIRCR_RESET;
  __asm volatile("dsb" ::: "memory");
  for (;;) {
  }
}

/* Nothing returns from here. */
__attribute__((naked)) void aed_fault_entry(void) {
  __asm volatile("cpsid i                     \n"
                 "mov r0, sp                  \n"
                 "movs r1, #0                 \n"
                 "msr msplim, r1              \n"
                 "ldr r1, =aed_fault_stack    \n"
                 "add r1, r1, #1024           \n" /* FAULT_STACK words */
                 "mov sp, r1                  \n"
                 "mrs r1, ipsr                \n"
                 "b aed_fault                 \n");
}

void aed_fault(const uint32_t *frame, uint32_t exception) {
  const uintptr_t at = (uintptr_t)frame;
  /* The core stacks nothing when the stack is what ran over, or what failed. */
  const int32_t readable = at >= (uintptr_t)aed_stack_start &&
                           at + 32 <= (uintptr_t)aed_stack_end &&
                           (SCB_CFSR & SCB_CFSR_NO_FRAME) == 0;
  record.fault = (aed_board_fault){
      .exception = exception,
      .pc = readable ? frame[6] : 0, /* r0 r1 r2 r3 r12 lr pc xpsr */
      .lr = readable ? frame[5] : 0,
      .xpsr = readable ? frame[7] : 0,
      .cfsr = SCB_CFSR,
      .hfsr = SCB_HFSR,
      .mmfar = SCB_MMFAR,
      .bfar = SCB_BFAR,
  };
  record.sum = sum(&record.fault);
  record.magic = FAULT_MAGIC;
  aed_on_fault(&record.fault);
  uint32_t rounds = PAUSE;
  __asm volatile("1: subs %0, %0, #1 \n"
                 "   bne 1b          \n"
                 : "+r"(rounds)
                 :
                 : "cc");
  aed_restart();
}
