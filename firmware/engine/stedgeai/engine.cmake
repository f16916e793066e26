# The engine over ST's runtime. aed_engine_model.cmake, beside the generated C, says where the user's installation has its headers
# (AED_ST_INCLUDE) and its library (AED_ST_LIBRARY); the network's own C lies in the folder st. ST's code is compiled as it is.
file(GLOB st_sources CONFIGURE_DEPENDS ${AED_GENERATED_DIR}/st/*.c)
list(APPEND generated_sources ${st_sources})
set_source_files_properties(${st_sources} PROPERTIES COMPILE_OPTIONS "-w")
add_library(aed_st_runtime INTERFACE)
target_include_directories(aed_st_runtime SYSTEM INTERFACE ${AED_GENERATED_DIR}/st ${AED_ST_INCLUDE})
target_compile_definitions(aed_st_runtime INTERFACE AED_ENGINE_NEEDS_CRC) # for the board
target_link_libraries(aed_st_runtime INTERFACE ${AED_ST_LIBRARY} m)
set(AED_ENGINE_LIBRARIES aed_st_runtime)
