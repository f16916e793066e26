/* The stored samples, in flash. */
  .section .rodata.recording, "a"
  .balign 2
  .global recording, recording_end
recording:
  .incbin RECORDING
recording_end:
