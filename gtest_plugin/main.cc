// GoogleTest's main() for a program whose every test is encapsulated.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_environment.h"
#include "gtest_plugin/settings.h"

int main(int argc, char** argv) {
  encapsulate::InitEncapsulate(&argc, argv);
  testing::InitGoogleMock(&argc, argv);
  testing::AddGlobalTestEnvironment(new encapsulate::EncapsulatedEnvironment);
  return RUN_ALL_TESTS();
}
