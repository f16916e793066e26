# Compiler flags of each core that an image can be built for. A new core is a line here; board.toml names it.
set(AED_CORES_cortex-m33 "-mcpu=cortex-m33 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard") # DSP extension, single-precision FPU

set(AED_CORE cortex-m33 CACHE STRING "core of the firmware: one of cmake/cores.cmake")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AED_CORE)
set(AED_CORE_FLAGS ${AED_CORES_${AED_CORE}})
if(NOT AED_CORE_FLAGS)
  message(FATAL_ERROR "AED_CORE is '${AED_CORE}', which has no line in cmake/cores.cmake")
endif()
