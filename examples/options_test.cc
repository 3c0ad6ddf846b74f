#include <fstream>

#include "gtest_plugin/encapsulated_test.h"

class StoreTest : public encapsulate::EncapsulatedTest {
 protected:
  static void SetUpTestSuite() {
    encapsulate::TestOptions options = encapsulate::ProgramOptions();
    options.working_directory = encapsulate::WorkingDirectory::kOverlay;
    options.allowed.push_back({encapsulate::Rule::kWrite, "/var/log/store.log",
                               "the store does without a log"});
    encapsulate::SetSuiteOptions(options);
  }
};

TEST_F(StoreTest, KeepsItsFilesInItsDirectory) {
  EXPECT_FALSE(std::ofstream("/var/log/store.log") << "opened");
  EXPECT_TRUE(std::ofstream("store.db") << "gone when the test ends");
}
