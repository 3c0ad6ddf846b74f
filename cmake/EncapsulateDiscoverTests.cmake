# SPDX-License-Identifier: Apache-2.0
#
# encapsulate_discover_tests(TARGET
#   [FRAMEWORK gtest|catch2|doctest|none]
#   [TIMEOUT SECONDS] [NETWORK loopback|none|host] [VIOLATIONS off|report|enforce]
#   [WRITABLE TREE...] [FLAGS FLAG...]
#   [WORKING_DIRECTORY DIRECTORY] [TEST_PREFIX PREFIX] [XML_OUTPUT_DIR DIRECTORY]
#   [EXTRA_ARGS ARGUMENT...] [PROPERTIES NAME VALUE...] [ARGUMENT...])
#
# Makes each test of a program one of CTest's, with a sandbox of its own. A program
# that links Encapsulate::gtest or Encapsulate::gtest_main makes it itself, for the
# tests that are encapsulated there; call this after target_link_libraries(). Any other
# is started by the tool, with --hermetic: with its own empty /tmp, HOME and
# TEST_TMPDIR, and without the network.
#
# FRAMEWORK says how tests are found, and is `gtest` unless given: by CMake's
# gtest_discover_tests(), by catch_discover_tests() of Catch2, by
# doctest_discover_tests() of doctest, which must be included before. With `none` the
# program is one test.
#
# TIMEOUT is the wall time of a test. The sandbox keeps it and says where the test
# stands; CTest's own limit is 20 seconds behind that.
# VIOLATIONS says what attempts to reach out mean: with `enforce`, the default, the
# test fails, and CTest names the violation.
# WRITABLE are trees of the host that tests may change.
# FLAGS are further flags: of the plugin (--encapsulate_leftovers=note), see
# docs/gtest_plugin.md, or of the tool (--allow=RULE:TARGET), see its man page.
# All other arguments mean what they mean to the framework's function. Tests have the
# label `encapsulated` unless PROPERTIES give others.
function(encapsulate_discover_tests target)
  cmake_parse_arguments(
    PARSE_ARGV 1 own ""
    "FRAMEWORK;TIMEOUT;NETWORK;VIOLATIONS;WORKING_DIRECTORY;TEST_PREFIX;XML_OUTPUT_DIR"
    "WRITABLE;FLAGS;EXTRA_ARGS;PROPERTIES")
  if(NOT TARGET ${target})
    message(FATAL_ERROR "encapsulate_discover_tests(${target}): there is no such target")
  endif()
  if(NOT own_FRAMEWORK)
    set(own_FRAMEWORK gtest)
  endif()
  if(NOT own_VIOLATIONS)
    set(own_VIOLATIONS enforce)
  endif()
  encapsulate_check_choice(${target} FRAMEWORK "${own_FRAMEWORK}" gtest catch2 doctest none)
  encapsulate_check_choice(${target} VIOLATIONS "${own_VIOLATIONS}" off report enforce)
  if(own_NETWORK)
    encapsulate_check_choice(${target} NETWORK "${own_NETWORK}" loopback none host)
  endif()
  if(own_TIMEOUT AND NOT own_TIMEOUT MATCHES "^[0-9]+(\\.[0-9]+)?$")
    message(
      FATAL_ERROR "encapsulate_discover_tests(${target}): cannot use TIMEOUT "
                  "\"${own_TIMEOUT}\": not a number of seconds")
  endif()
  if(NOT own_WORKING_DIRECTORY)
    set(own_WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
  endif()

  # gcc's counters lie beside the objects.
  get_target_property(options ${target} COMPILE_OPTIONS)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  if("${options} ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}" MATCHES
     "--coverage|-fprofile-arcs")
    list(APPEND own_WRITABLE "${CMAKE_BINARY_DIR}")
  endif()

  set(properties LABELS encapsulated)
  if(own_TIMEOUT)
    string(REGEX REPLACE "\\..*" "" seconds "${own_TIMEOUT}")
    math(EXPR limit "${seconds} + 20")
    list(APPEND properties TIMEOUT ${limit})
  endif()

  encapsulate_has_plugin(has_plugin ${target})
  if(has_plugin)
    set(flags --encapsulate_violations=${own_VIOLATIONS})
    if(own_NETWORK)
      list(APPEND flags --encapsulate_network=${own_NETWORK})
    endif()
    if(own_TIMEOUT)
      list(APPEND flags --encapsulate_timeout=${own_TIMEOUT}s)
    endif()
    if(own_WRITABLE)
      list(JOIN own_WRITABLE "|" trees)
      list(APPEND flags "--encapsulate_writable=${trees}")
    endif()
    list(PREPEND own_EXTRA_ARGS ${flags} ${own_FLAGS})
    set(launcher "")
    set(violation "The test tried to .*  rule  +[a-z]+: ")
  else()
    set(launcher --hermetic --violations=${own_VIOLATIONS}
                 "--name=${own_TEST_PREFIX}${target}")
    if(own_NETWORK)
      list(APPEND launcher --network=${own_NETWORK})
    endif()
    if(own_TIMEOUT)
      list(APPEND launcher --timeout=${own_TIMEOUT})
    endif()
    if(own_XML_OUTPUT_DIR)
      file(MAKE_DIRECTORY "${own_XML_OUTPUT_DIR}")
      list(APPEND own_WRITABLE "${own_XML_OUTPUT_DIR}")
    endif()
    foreach(tree IN LISTS own_WRITABLE)
      list(APPEND launcher "--writable=${tree}")
    endforeach()
    encapsulate_shown_trees(trees "${CMAKE_BINARY_DIR}" "${own_WORKING_DIRECTORY}")
    foreach(tree IN LISTS trees)
      list(APPEND launcher "--overlay=${tree}")
    endforeach()
    encapsulate_tool_path(tool)
    set(launcher "${tool}" ${launcher} ${own_FLAGS} --)
    if(TARGET encapsulate_tool)
      add_dependencies(${target} encapsulate_tool)
    endif()
    set(violation "encapsulate: violations: [1-9]")
  endif()
  if(own_VIOLATIONS STREQUAL "enforce")
    list(APPEND properties FAIL_REGULAR_EXPRESSION "${violation}")
  endif()
  list(APPEND properties ${own_PROPERTIES})

  set(common WORKING_DIRECTORY "${own_WORKING_DIRECTORY}" PROPERTIES ${properties})
  if(own_EXTRA_ARGS)
    list(APPEND common EXTRA_ARGS ${own_EXTRA_ARGS})
  endif()
  if(own_TEST_PREFIX)
    list(APPEND common TEST_PREFIX "${own_TEST_PREFIX}")
  endif()
  if(own_XML_OUTPUT_DIR)
    list(APPEND common XML_OUTPUT_DIR "${own_XML_OUTPUT_DIR}")
  endif()
  if(own_FRAMEWORK STREQUAL "gtest")
    # CMake 3.29 tells a launcher of tests from an emulator.
    set(property CROSSCOMPILING_EMULATOR)
    if(CMAKE_VERSION VERSION_GREATER_EQUAL 3.29)
      set(property TEST_LAUNCHER)
    endif()
    include(GoogleTest)
    encapsulate_call_with(${property} "${launcher}" gtest_discover_tests ${target}
                          ${common} ${own_UNPARSED_ARGUMENTS})
  elseif(own_FRAMEWORK STREQUAL "none")
    if(own_UNPARSED_ARGUMENTS OR own_XML_OUTPUT_DIR)
      message(
        FATAL_ERROR
          "encapsulate_discover_tests(${target}): cannot use these arguments with "
          "FRAMEWORK none: ${own_UNPARSED_ARGUMENTS} ${own_XML_OUTPUT_DIR}")
    endif()
    set(name "${own_TEST_PREFIX}${target}")
    add_test(
      NAME "${name}"
      COMMAND ${launcher} "$<TARGET_FILE:${target}>" ${own_EXTRA_ARGS}
      WORKING_DIRECTORY "${own_WORKING_DIRECTORY}")
    set_tests_properties("${name}" PROPERTIES ${properties})
  else()
    string(REPLACE catch2 catch function ${own_FRAMEWORK})
    if(NOT COMMAND ${function}_discover_tests)
      message(
        FATAL_ERROR
          "encapsulate_discover_tests(${target}): there is no "
          "${function}_discover_tests() here; hint: include the module of "
          "${own_FRAMEWORK}'s that has it")
    endif()
    encapsulate_call_with(CROSSCOMPILING_EMULATOR "${launcher}"
                          ${function}_discover_tests ${target} ${common}
                          ${own_UNPARSED_ARGUMENTS})
  endif()
endfunction()

# --- For the function above --------------------------------------------------------

function(encapsulate_check_choice target name value)
  if(NOT value IN_LIST ARGN)
    list(JOIN ARGN ", " choices)
    message(
      FATAL_ERROR "encapsulate_discover_tests(${target}): cannot use ${name} "
                  "\"${value}\": it is one of ${choices}")
  endif()
endfunction()

# Whether a target links the plugin, itself or by a library that does.
function(encapsulate_has_plugin result target)
  set(seen "")
  set(waiting ${target})
  while(waiting)
    list(POP_FRONT waiting name)
    if(name IN_LIST seen OR NOT TARGET "${name}")
      continue()
    endif()
    if(name MATCHES "^(Encapsulate::gtest|encapsulate_gtest)(_main)?$")
      set(${result} ON PARENT_SCOPE)
      return()
    endif()
    list(APPEND seen "${name}")
    foreach(property IN ITEMS LINK_LIBRARIES INTERFACE_LINK_LIBRARIES)
      get_target_property(libraries "${name}" ${property})
      if(libraries)
        # Names that an expression holds, $<LINK_ONLY:...> for one, count as well.
        string(REGEX REPLACE "[$<>,]|LINK_ONLY:" ";" libraries "${libraries}")
        list(APPEND waiting ${libraries})
      endif()
    endforeach()
  endwhile()
  set(${result} OFF PARENT_SCOPE)
endfunction()

# What --hermetic would hide of these paths in /tmp and /var/tmp: shown, with what is
# written there thrown away, as the plugin does.
function(encapsulate_shown_trees result)
  set(trees "")
  foreach(path IN LISTS ARGN)
    file(REAL_PATH "${path}" path)
    if(path MATCHES "^(/tmp|/var/tmp)/[^/]+")
      list(APPEND trees "${CMAKE_MATCH_0}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES trees)
  set(${result} ${trees} PARENT_SCOPE)
endfunction()

function(encapsulate_tool_path result)
  if(TARGET encapsulate_tool)
    # See cmake/Programs.cmake.
    get_target_property(directory encapsulate_tool BINARY_DIR)
    set(path "${directory}/bin/encapsulate")
  elseif(TARGET Encapsulate::tool)
    get_target_property(path Encapsulate::tool LOCATION)
  else()
    message(FATAL_ERROR "Encapsulate::tool isn't here; hint: ENCAPSULATE_TOOL=ON")
  endif()
  set(${result} "${path}" PARENT_SCOPE)
endfunction()

# encapsulate_call_with(PROPERTY LAUNCHER FUNCTION TARGET ARGUMENT...): calls a function
# that has tests started by what a property of the target names. What is there already,
# an emulator of another processor, is started by ours.
function(encapsulate_call_with property launcher function target)
  get_target_property(existing ${target} ${property})
  if(NOT existing)
    set(existing "")
  endif()
  if(launcher)
    set_property(TARGET ${target} PROPERTY ${property} ${launcher} ${existing})
  endif()
  cmake_language(CALL ${function} ${target} ${ARGN})
  if(launcher)
    set_property(TARGET ${target} PROPERTY ${property} ${existing})
  endif()
endfunction()
