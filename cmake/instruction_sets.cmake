# Which instruction sets the cores are built for besides the portable C of their src: one line each. What an instruction
# set replaces there stands in dsp_c/src/aed_isa.c and nn_c/src/aed_instruction_sets.h.
#
# aed_instruction_set(<library> <folder> <macro>): adds a folder's sources to a library and defines the macro for it.
function(aed_instruction_set library folder macro)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
  target_sources(${library} PRIVATE ${sources})
  target_compile_definitions(${library} PRIVATE ${macro})
endfunction()

if(CMAKE_CROSSCOMPILING)
  if(AED_CORE STREQUAL cortex-m33)
    aed_instruction_set(aed_nn nn_c/cortex_m33 AED_CORTEX_M33)
  endif()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  aed_instruction_set(aed_nn nn_c/x86 AED_X86)
  if(AED_DSP_FFT STREQUAL own)
    aed_instruction_set(aed_dsp dsp_c/x86 AED_X86)
    foreach(isa sse2 avx2 avx512)
      set_source_files_properties(${PROJECT_SOURCE_DIR}/dsp_c/x86/aed_frames_${isa}.c
        PROPERTIES COMPILE_OPTIONS "${AED_X86_FLAGS_${isa}}")
    endforeach()
  endif()
endif()
