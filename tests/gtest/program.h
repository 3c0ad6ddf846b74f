// SPDX-License-Identifier: Apache-2.0
//
// Runs one of the inner programs and collects everything that it puts out.
#ifndef TESTS_GTEST_PROGRAM_H_
#define TESTS_GTEST_PROGRAM_H_

#include <string>
#include <vector>

namespace encapsulate {

struct Output {
  int status = -1;  // as of wait(2)
  std::string console;
  std::string xml;
  std::string json;
  std::string events;
  std::string calls;

  int exit_code() const;
};

enum class Console { kFile, kPipe, kTerminal };

struct Invocation {
  std::string program;  // "inner_every", or the path of another one
  std::vector<std::string> arguments;
  std::vector<std::string> environment;  // NAME=VALUE
  std::string directory;                 // "": an empty one
  // Refuse every new namespace, as many containers do.
  bool without_namespaces = false;
  // Refuse prctl(PR_SET_MM), as a kernel without CONFIG_CHECKPOINT_RESTORE.
  bool without_set_mm = false;
  // What its stdout and stderr are.
  Console console = Console::kFile;
  // Be its debugger, one that lets it do as it likes.
  bool traced = false;
};

// The path of a program that this test was built with.
std::string ProgramPath(const std::string& name);

// A fresh directory, which is gone with the test's own.
std::string FreshDirectory();

std::string ReadFile(const std::string& path);

// The reports are what the program writes to report.xml and report.json.
Output RunProgram(const Invocation& invocation);

// Runs the tests of `program` called `filter`, with a report in XML.
Output RunTests(const std::string& program, const std::string& filter,
                const std::vector<std::string>& environment = {},
                const std::vector<std::string>& arguments = {});

// How often `part` is in `text`.
int Count(const std::string& text, const std::string& part);

// `text` with everything masked that differs from run to run: times, and the
// file that main() is in.
std::string Mask(const std::string& text);

}  // namespace encapsulate

#endif  // TESTS_GTEST_PROGRAM_H_
