# aed_cffi_module(<name> <library> <destination> <header>...): one out-of-line API-mode cffi extension over a C library.
# The declarations come from the marked parts of the public headers, so there is no second copy to drift.
function(aed_cffi_module name library destination)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
  add_custom_command(
    OUTPUT ${source}
    COMMAND Python::Interpreter ${PROJECT_SOURCE_DIR}/cmake/generate_cffi.py ${name} ${source} ${ARGN}
    DEPENDS ${PROJECT_SOURCE_DIR}/cmake/generate_cffi.py ${ARGN}
    COMMENT "cffi: ${name}")
  Python_add_library(${name} MODULE WITH_SOABI ${source})
  # cffi's own generated code is not held to our warning flags; the library behind it is.
  target_link_libraries(${name} PRIVATE ${library})
  target_compile_options(${name} PRIVATE -Wno-error -w)
  install(TARGETS ${name} DESTINATION ${destination})
endfunction()
