# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` installs: the tool with its man page and completions, and the
# libraries with what other builds need to find them.
include(CMakePackageConfigHelpers)

set(ENCAPSULATE_COMPONENTS "")
set(package "${CMAKE_INSTALL_LIBDIR}/cmake/Encapsulate")

# encapsulate_install_targets(COMPONENT TARGET...)
function(encapsulate_install_targets component)
  install(TARGETS ${ARGN} EXPORT Encapsulate-${component})
  install(
    EXPORT Encapsulate-${component}
    NAMESPACE Encapsulate::
    DESTINATION "${package}")
  list(APPEND ENCAPSULATE_COMPONENTS ${component})
  set(ENCAPSULATE_COMPONENTS ${ENCAPSULATE_COMPONENTS} PARENT_SCOPE)
endfunction()

# encapsulate_install_headers(HEADER...): under their names in the source tree.
function(encapsulate_install_headers)
  foreach(header IN LISTS ARGN)
    cmake_path(GET header PARENT_PATH directory)
    install(FILES "${PROJECT_SOURCE_DIR}/${header}"
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/${directory}")
  endforeach()
endfunction()

# encapsulate_install_pkg_config(NAME DESCRIPTION REQUIRES LIBS)
function(encapsulate_install_pkg_config name description requires libs)
  configure_file(cmake/encapsulate.pc.in ${name}.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${name}.pc"
          DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

# encapsulate_pkg_config_names(RESULT TARGET...)
function(encapsulate_pkg_config_names result)
  list(REMOVE_DUPLICATES ARGN)
  list(TRANSFORM ARGN REPLACE "^absl::" "absl_")
  list(JOIN ARGN ", " names)
  set(${result} "${names}" PARENT_SCOPE)
endfunction()

# --- The tool -------------------------------------------------------------------

if(ENCAPSULATE_TOOL)
  encapsulate_install_targets(tool encapsulate_tool)

  # They come from the table of flags, by a program that has to run here.
  if(NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR)
    encapsulate_add_program(encapsulate_documents ${ENCAPSULATE_DOCUMENTS_SOURCES})
    encapsulate_link_program(encapsulate_documents encapsulate ${ENCAPSULATE_TOOL_ABSEIL}
                             ${ENCAPSULATE_LIBRARY_ABSEIL})
    set(documents "")
    # encapsulate_document(KIND FILE DESTINATION)
    function(encapsulate_document kind file destination)
      set(made "${CMAKE_CURRENT_BINARY_DIR}/documents/${file}")
      add_custom_command(
        OUTPUT "${made}"
        DEPENDS encapsulate_documents
        COMMAND encapsulate_documents ${kind} > "${made}"
        VERBATIM)
      install(FILES "${made}" DESTINATION "${destination}")
      set(documents ${documents} "${made}" PARENT_SCOPE)
    endfunction()
    file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/documents")
    encapsulate_document(man encapsulate.1 "${CMAKE_INSTALL_MANDIR}/man1")
    encapsulate_document(bash encapsulate
                         "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
    encapsulate_document(zsh _encapsulate
                         "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
    encapsulate_document(fish encapsulate.fish
                         "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
    add_custom_target(encapsulate_manual ALL DEPENDS ${documents})
  else()
    message(STATUS "Encapsulate: no man page and completions: the program that makes "
                   "them can't run here; hint: CMAKE_CROSSCOMPILING_EMULATOR")
  endif()
endif()

# --- The libraries --------------------------------------------------------------

encapsulate_is_installed(abseil_is_installed absl::strings)
set(googletest_is_installed OFF)
if(ENCAPSULATE_PLUGIN)
  encapsulate_is_installed(googletest_is_installed GTest::gtest)
endif()

if(abseil_is_installed)
  encapsulate_install_targets(encapsulate encapsulate)
  encapsulate_install_headers(${ENCAPSULATE_LIBRARY_HEADERS})
  encapsulate_pkg_config_names(requires ${ENCAPSULATE_LIBRARY_ABSEIL})
  encapsulate_install_pkg_config(encapsulate "Sandboxes, on Linux" "${requires}"
                                 "-L\${libdir} -lencapsulate -pthread")
else()
  message(STATUS "Encapsulate: the library won't be installed: Abseil is built along "
                 "with it, and isn't a package that others find")
endif()

if(abseil_is_installed AND googletest_is_installed)
  encapsulate_install_targets(gtest encapsulate_gtest encapsulate_gtest_main
                              encapsulate_every_test)
  encapsulate_install_headers(${ENCAPSULATE_PLUGIN_HEADERS})
  encapsulate_pkg_config_names(requires encapsulate gmock gtest ${ENCAPSULATE_PLUGIN_ABSEIL})
  list(TRANSFORM ENCAPSULATE_PLUGIN_LIBRARIES PREPEND "-l" OUTPUT_VARIABLE libraries)
  list(JOIN libraries " " libraries)
  list(JOIN ENCAPSULATE_PLUGIN_LINK_OPTIONS " " options)
  encapsulate_install_pkg_config(
    encapsulate-gtest "GoogleTest's tests in sandboxes, by a fixture" "${requires}"
    "-L\${libdir} -lencapsulate_gtest ${libraries} ${options}")
  encapsulate_install_pkg_config(
    encapsulate-gtest-main "GoogleTest's tests in sandboxes, every one of a program"
    encapsulate-gtest
    "-L\${libdir} -lencapsulate_gtest_main -Wl,--whole-archive,-lencapsulate_every_test,--no-whole-archive"
  )
elseif(ENCAPSULATE_PLUGIN)
  message(STATUS "Encapsulate: the plugin won't be installed: Abseil or GoogleTest is "
                 "built along with it, and isn't a package that others find")
endif()

# --- The package ----------------------------------------------------------------

if(googletest_is_installed)
  find_package(GTest CONFIG QUIET REQUIRED)  # for its version
endif()
configure_package_config_file(
  cmake/EncapsulateConfig.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/EncapsulateConfig.cmake"
  INSTALL_DESTINATION "${package}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${CMAKE_CURRENT_BINARY_DIR}/EncapsulateConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(
  FILES "${CMAKE_CURRENT_BINARY_DIR}/EncapsulateConfig.cmake"
        "${CMAKE_CURRENT_BINARY_DIR}/EncapsulateConfigVersion.cmake"
        cmake/EncapsulateCoverage.cmake
        cmake/EncapsulateDiscoverTests.cmake
  DESTINATION "${package}")
