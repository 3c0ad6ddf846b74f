// GoogleTest's main() for a program whose every test is encapsulated (which
// every_test.cc sees to). A program may have its own in place of it.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/settings.h"

int main(int argc, char** argv) {
  encapsulate::InitEncapsulate(&argc, argv);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
