# Whose FFT the front end uses, on host and chip alike: ours, or a user's CMSIS-DSP. Features of the two differ in their
# last bits, so a specification's hash tells them apart.
set(AED_DSP_FFT own CACHE STRING "own: dsp_c's; cmsis: arm_rfft_fast_f32 of the CMSIS-DSP in CMSISDSP_ROOT")
set_property(CACHE AED_DSP_FFT PROPERTY STRINGS own cmsis)

if(AED_DSP_FFT STREQUAL cmsis)
  set(CMSISDSP_ROOT "" CACHE PATH "Folder of a CMSIS-DSP: the one that holds Include and Source")
  if(NOT EXISTS "${CMSISDSP_ROOT}/Include/dsp/transform_functions.h")
    message(FATAL_ERROR "CMSISDSP_ROOT is '${CMSISDSP_ROOT}', where there is no Include/dsp/transform_functions.h")
  endif()
  set(transform ${CMSISDSP_ROOT}/Source/TransformFunctions)
  add_library(aed_cmsis STATIC
    ${transform}/arm_bitreversal2.c ${transform}/arm_cfft_f32.c ${transform}/arm_cfft_init_f32.c
    ${transform}/arm_cfft_radix8_f32.c ${transform}/arm_rfft_fast_f32.c ${transform}/arm_rfft_fast_init_f32.c
    ${CMSISDSP_ROOT}/Source/CommonTables/arm_common_tables.c ${CMSISDSP_ROOT}/Source/CommonTables/arm_const_structs.c)
  target_include_directories(aed_cmsis SYSTEM PUBLIC ${CMSISDSP_ROOT}/Include PRIVATE ${CMSISDSP_ROOT}/PrivateInclude)
  # Plain C on both sides: this macro of theirs leaves out CMSIS-Core.
  target_compile_definitions(aed_cmsis PUBLIC __GNUC_PYTHON__)
  target_link_libraries(aed_cmsis PRIVATE aed_flags)
  target_compile_options(aed_cmsis PRIVATE -w -Wno-error)
  set_target_properties(aed_cmsis PROPERTIES POSITION_INDEPENDENT_CODE ${AED_PIC})
  target_link_libraries(aed_dsp PRIVATE aed_cmsis)
  target_compile_definitions(aed_dsp PUBLIC AED_DSP_FFT_CMSIS)
elseif(NOT AED_DSP_FFT STREQUAL own)
  message(FATAL_ERROR "AED_DSP_FFT is '${AED_DSP_FFT}'; expected own or cmsis")
endif()
