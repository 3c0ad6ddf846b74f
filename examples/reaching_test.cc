#include <fstream>

#include "gtest_plugin/encapsulated_test.h"

// What it can't write it does without, and nobody knows.
void Log(const char* line) {
  std::ofstream("/var/log/store.log", std::ios::app) << line << "\n";
}

class StoreTest : public encapsulate::EncapsulatedTest {};

TEST_F(StoreTest, Opens) { Log("opened"); }
