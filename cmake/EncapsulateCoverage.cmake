# SPDX-License-Identifier: Apache-2.0
#
# encapsulate_watch_coverage(TARGET OPTION...): programs that link TARGET, and that gcc
# measures the coverage of, are linked with these options. They bring the part of
# gcc's runtime that saves what a test has run.
function(encapsulate_watch_coverage target)
  string(TOUPPER "${CMAKE_BUILD_TYPE}" type)
  if("${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${type}}" MATCHES "--coverage|-fprofile-arcs")
    set(measured 1)
  else()
    set(own "$<TARGET_PROPERTY:COMPILE_OPTIONS>")
    set(measured "$<OR:$<IN_LIST:--coverage,${own}>,$<IN_LIST:-fprofile-arcs,${own}>>")
  endif()
  foreach(option IN LISTS ARGN)
    set_property(
      TARGET ${target} APPEND
      PROPERTY
        INTERFACE_LINK_OPTIONS
        "$<BUILD_INTERFACE:$<$<AND:$<CXX_COMPILER_ID:GNU>,${measured}>:${option}>>")
  endforeach()
endfunction()
