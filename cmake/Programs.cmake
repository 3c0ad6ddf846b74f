# SPDX-License-Identifier: Apache-2.0
#
# Programs of the project's own are linked without shared libraries where that can be
# done: starting fifty of those takes several times as long as making a sandbox, and
# the fork server must be small.

set(ENCAPSULATE_STATIC_SOURCE
    "#include <string>
int main(int argc, char**) { return std::string(argc, 'x').size() == 0; }
")
set(ENCAPSULATE_STATIC_ABSEIL_SOURCE
    "#include \"absl/strings/str_cat.h\"
int main(int argc, char**) { return absl::StrCat(argc).empty(); }
")

# encapsulate_try_static(RESULT SOURCE LIBRARY...): whether a program can be linked so
# with this directory's options; sanitizers, for one, can't.
function(encapsulate_try_static result source)
  get_directory_property(compile_options COMPILE_OPTIONS)
  get_directory_property(link_options LINK_OPTIONS)
  try_compile(
    works SOURCE_FROM_CONTENT program.cc "${source}"
    COMPILE_DEFINITIONS ${compile_options}
    LINK_OPTIONS -static ${link_options}
    LINK_LIBRARIES ${ARGN}
    CXX_STANDARD 17
    CXX_STANDARD_REQUIRED ON
    NO_CACHE)
  set(${result} ${works} PARENT_SCOPE)
endfunction()

# encapsulate_static_abseil(RESULT TARGET...): the libraries to link for these targets
# of Abseil's in a static program; empty if there are none. Debian's targets are
# shared libraries, and pkg-config knows of the static ones beside them.
function(encapsulate_static_abseil result)
  set(${result} "" PARENT_SCOPE)
  get_target_property(aliased absl::strings ALIASED_TARGET)
  if(NOT aliased)
    set(aliased absl::strings)
  endif()
  get_target_property(type ${aliased} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    set(${result} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  encapsulate_is_installed(installed ${aliased})
  find_package(PkgConfig QUIET)
  if(NOT installed OR NOT PkgConfig_FOUND)
    return()
  endif()
  list(TRANSFORM ARGN REPLACE "^absl::" "absl_" OUTPUT_VARIABLE modules)
  pkg_check_modules(ENCAPSULATE_ABSEIL QUIET ${modules})
  pkg_get_variable(directory absl_strings includedir)
  get_target_property(directories absl::strings INTERFACE_INCLUDE_DIRECTORIES)
  # Both must be of one installation.
  if(NOT ENCAPSULATE_ABSEIL_FOUND OR NOT directory IN_LIST directories)
    return()
  endif()
  encapsulate_try_static(works "${ENCAPSULATE_STATIC_ABSEIL_SOURCE}"
                         ${ENCAPSULATE_ABSEIL_STATIC_LDFLAGS})
  if(works)
    set(${result} ${ENCAPSULATE_ABSEIL_STATIC_LDFLAGS} PARENT_SCOPE)
  endif()
endfunction()

encapsulate_try_static(ENCAPSULATE_STATIC "${ENCAPSULATE_STATIC_SOURCE}")
set(ENCAPSULATE_STATIC_LIBRARIES "")
if(ENCAPSULATE_STATIC)
  encapsulate_static_abseil(
    ENCAPSULATE_STATIC_LIBRARIES ${ENCAPSULATE_LIBRARY_ABSEIL} ${ENCAPSULATE_TOOL_ABSEIL})
endif()
if(ENCAPSULATE_STATIC_LIBRARIES)
  message(STATUS "Encapsulate: the tool is a static program")
else()
  message(STATUS "Encapsulate: the tool needs shared libraries: no static ones work here")
endif()

# encapsulate_add_program(NAME FILE...)
function(encapsulate_add_program name)
  add_executable(${name} ${ARGN})
  target_compile_features(${name} PRIVATE cxx_std_17)
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
  # In the same place with every generator: no configuration's name is put behind a
  # directory that is an expression.
  set_target_properties(
    ${name} PROPERTIES CXX_EXTENSIONS OFF
                       RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin$<0:>")
  if(NOT PROJECT_IS_TOP_LEVEL)
    set_target_properties(${name} PROPERTIES EXCLUDE_FROM_ALL ON)
  endif()
endfunction()

# encapsulate_link_program(NAME LIBRARY ABSEIL...): LIBRARY is one of the project's.
function(encapsulate_link_program name library)
  if(NOT ENCAPSULATE_STATIC_LIBRARIES)
    target_link_libraries(${name} PRIVATE ${library} ${ARGN})
    return()
  endif()
  # What LIBRARY needs by itself may be shared.
  add_dependencies(${name} ${library})
  target_include_directories(
    ${name} PRIVATE $<TARGET_PROPERTY:absl::strings,INTERFACE_INCLUDE_DIRECTORIES>)
  target_link_libraries(${name} PRIVATE $<TARGET_FILE:${library}>
                                        ${ENCAPSULATE_STATIC_LIBRARIES})
  target_link_options(${name} PRIVATE -static)
endfunction()
