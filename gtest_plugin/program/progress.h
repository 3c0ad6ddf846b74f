// SPDX-License-Identifier: Apache-2.0
//
// A line about what is running, on a terminal, which is there only while the
// program waits and has nothing else to show.
#ifndef GTEST_PLUGIN_PROGRAM_PROGRESS_H_
#define GTEST_PLUGIN_PROGRAM_PROGRESS_H_

#include <string>

namespace encapsulate {

// Whether stderr is a terminal that can take back what it shows.
bool CanShowProgress();

// Shows a line on stderr, as far as it fits, and takes it back at its end.
class Progress {
 public:
  explicit Progress(const std::string& line);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_PROGRAM_PROGRESS_H_
