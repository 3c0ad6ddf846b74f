// SPDX-License-Identifier: Apache-2.0
//
// What SetUpTestSuite(), an environment or main() has made in the test program
// and a test looks for in vain, because its processes, network and temporary
// directories are its own. For the lines that go with a failed test.
#ifndef GTEST_PLUGIN_PROGRAM_MISSED_H_
#define GTEST_PLUGIN_PROGRAM_MISSED_H_

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace encapsulate {

// Names of the processes that the calling process has started and that run
// still, but for those of this library and those of the program's own name.
std::vector<std::string> StartedProcesses();

// Ports at which the calling process listens for TCP connections.
std::set<int> ListeningPorts();

// What a failed test speaks of: files and directories that lie in one of
// `directories` and are there for the calling process. Only these are listed;
// nothing below them is looked at.
class NamedFiles {
 public:
  explicit NamedFiles(std::vector<std::string> directories)
      : directories_(std::move(directories)) {}

  void Add(absl::string_view message);
  std::set<std::string> There() const;

 private:
  const std::vector<std::string> directories_;
  std::set<std::string> paths_;
};

struct Missed {
  std::vector<std::string> paths;
  std::vector<std::string> processes;
  std::set<int> ports;
};

// A line for each kind of thing, and each path.
std::vector<std::string> DescribeMissed(const Missed& missed);

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_MISSED_H_
