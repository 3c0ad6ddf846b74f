// SPDX-License-Identifier: Apache-2.0
//
// --learn: the flags that would silence the violations of a run.
#ifndef TOOL_LEARNING_H_
#define TOOL_LEARNING_H_

#include <string>
#include <vector>

#include "encapsulate/result.h"
#include "encapsulate/violations.h"

namespace encapsulate::tool {

// What flags may be recommended, and how the run was.
struct Lesson {
  // Whatever the caller may write to may become writable.
  bool permit = false;
  // --tmp and --hermetic were given, and can't be learned any more.
  bool has_tmp = false;
  bool is_hermetic = false;
  // The directory in which the command started, and the home directories that
  // are known, the caller's first. Without symbolic links.
  std::string directory;
  std::vector<std::string> homes;
};

// Of this process.
Lesson CurrentLesson(const std::string& directory);

// The fewest flags with which a run like this one is silent. What is written
// right in /tmp or /var/tmp asks for --tmp; what is written in the caller's
// home directory, outside the working directory, for --hermetic. Other trees
// are writable if the caller may write to them, and nothing of the system's or
// of a person's is given away by it: /etc, a home directory. All else is let
// fail by
// --allow.
std::vector<std::string> LearnedFlags(const std::vector<Violation>& violations,
                                      const Lesson& lesson);

// One line on standard error, of the flags `known` before and those learned,
// and one for each reason why that isn't all: what a command that failed would
// have done next is unknown.
void SayLearned(const Result& result, const std::vector<Violation>& violations,
                bool failed, const std::vector<std::string>& known,
                const Lesson& lesson);

}  // namespace encapsulate::tool

#endif  // TOOL_LEARNING_H_
