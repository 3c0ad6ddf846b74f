// SPDX-License-Identifier: Apache-2.0
//
// A main() of its own in a program whose every test is encapsulated.
#include <cstring>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "gtest_plugin/encapsulated_test.h"

namespace {

class Store {
 public:
  virtual ~Store() = default;
  virtual void Open() = 0;
};

class MockStore : public Store {
 public:
  MOCK_METHOD(void, Open, (), (override));
};

TEST(OwnMain, IsEncapsulated) {
  EXPECT_TRUE(encapsulate::IsEncapsulated());
  MockStore store;
  EXPECT_CALL(store, Open());
  store.Open();
}

// To be run by name: it fails.
TEST(DISABLED_OwnMain, Leaks) {
  auto store = std::make_unique<MockStore>();
  EXPECT_CALL(*store, Open());
  store->Open();
  static_cast<void>(store.release());
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
