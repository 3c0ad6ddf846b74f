// SPDX-License-Identifier: Apache-2.0
//
// Tests of another framework.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "doctest/doctest.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

// Both want to be the first.
static void CheckOwnTemporary() {
  CHECK(!std::filesystem::exists("/tmp/mine"));
  CHECK((std::ofstream("/tmp/mine") << "x" << std::flush));
  CHECK(std::filesystem::is_empty(std::getenv("TEST_TMPDIR")));
}

TEST_CASE("ordinary") { CheckOwnTemporary(); }
TEST_CASE("ordinary again") { CheckOwnTemporary(); }
TEST_CASE("reaching") { std::ofstream("/usr/no_such_file") << "x"; }
