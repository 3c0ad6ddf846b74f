# SPDX-License-Identifier: Apache-2.0
#
# Abseil and GoogleTest: those of the project that this one is a part of, or
# installed ones, or, where there are none, downloaded ones. A project chooses others
# by a FetchContent_Declare() of its own for `abseil-cpp` and `googletest`, a person by
# -D FETCHCONTENT_SOURCE_DIR_GOOGLETEST=DIRECTORY, or no download at all by
# -D FETCHCONTENT_FULLY_DISCONNECTED=ON.
include(FetchContent)

# The versions of MODULE.bazel. Packages are found for the whole project: it links
# GTest::gtest_main, say, and need not look for it once more.
FetchContent_Declare(
  abseil-cpp
  URL https://github.com/abseil/abseil-cpp/releases/download/20250814.1/abseil-cpp-20250814.1.tar.gz
  URL_HASH SHA256=1692f77d1739bacf3f94337188b78583cf09bab7e420d2dc6c5605a4f86785a1
  DOWNLOAD_EXTRACT_TIMESTAMP ON
  FIND_PACKAGE_ARGS NAMES absl GLOBAL)
FetchContent_Declare(
  googletest
  URL https://github.com/google/googletest/releases/download/v1.17.0/googletest-1.17.0.tar.gz
  URL_HASH SHA256=65fab701d9829d38cb77c14acdc431d2108bfdbf8979e40eb8ae567edf10b27c
  DOWNLOAD_EXTRACT_TIMESTAMP ON
  FIND_PACKAGE_ARGS NAMES GTest GLOBAL)

if(NOT TARGET absl::strings)
  # As a part of a project that is C++17, Abseil must be as well.
  set(ABSL_PROPAGATE_CXX_STD ON)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)
  FetchContent_MakeAvailable(abseil-cpp)
endif()
if(ENCAPSULATE_PLUGIN AND NOT TARGET GTest::gtest)
  FetchContent_MakeAvailable(googletest)
endif()
if(ENCAPSULATE_PLUGIN AND NOT TARGET GTest::gmock)
  message(
    FATAL_ERROR
      "Encapsulate's plugin needs GoogleMock, which is a part of GoogleTest, and there "
      "is no target GTest::gmock; hint: build GoogleTest with BUILD_GMOCK=ON, or "
      "install Debian's package libgmock-dev")
endif()

# encapsulate_is_installed(RESULT TARGET): whether it was found as a package.
function(encapsulate_is_installed result target)
  get_target_property(imported ${target} IMPORTED)
  set(${result} ${imported} PARENT_SCOPE)
endfunction()
