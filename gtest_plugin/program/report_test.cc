// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/program/report.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using testing::EndsWith;
using testing::MatchesRegex;
using testing::StartsWith;

std::string TailOf(const std::string& output) {
  OutputTail tail;
  tail.Add(output);
  return tail.Format();
}

TEST(FormatStepsTest, LongestAreNamedAndTheRestSummedUp) {
  const auto ms = [](double time) { return absl::Milliseconds(time); };
  EXPECT_EQ(FormatSteps({}), "sandbox made in 0.00 ms: ");
  EXPECT_EQ(FormatSteps({{"a", ms(1)}, {"b", ms(2)}, {"a", ms(1.5)}}),
            "sandbox made in 4.50 ms: a 2.50, b 2.00");
  EXPECT_EQ(FormatSteps({{"a", ms(1)},
                         {"b", ms(2)},
                         {"c", ms(3)},
                         {"d", ms(4)},
                         {"e", ms(5)},
                         {"f", ms(0.25)}}),
            "sandbox made in 15.25 ms: e 5.00, d 4.00, c 3.00, b 2.00, "
            "2 more steps 1.25");
}

TEST(OutputTailTest, NothingPrintedIsNothingShown) {
  EXPECT_EQ(TailOf(""), "");
  EXPECT_EQ(TailOf("\n"), "");
}

TEST(OutputTailTest, LastLinesAreIndented) {
  EXPECT_EQ(TailOf("a\n\nb"), "\nThe end of its output:\n    a\n    \n    b");
}

TEST(OutputTailTest, OutputMayComeInPieces) {
  OutputTail tail;
  tail.Add("a");
  tail.Add("b\nc");
  EXPECT_EQ(tail.Format(), "\nThe end of its output:\n    ab\n    c");
}

TEST(OutputTailTest, LongOutputIsCutAtALine) {
  std::string output;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&output, "line ", i, "\n");
  const std::string text = TailOf(output);
  EXPECT_THAT(text, StartsWith("\nThe end of its output:\n    ...\n"
                               "    line 60\n"));
  EXPECT_THAT(text, EndsWith("    line 99"));
}

TEST(OutputTailTest, LongLinesAreCut) {
  OutputTail tail;
  for (int i = 0; i < 1000; ++i) tail.Add(std::string(100, 'x'));
  const std::string text = tail.Format();
  EXPECT_THAT(text, StartsWith("\nThe end of its output:\n    ...\n    xxx"));
  EXPECT_GT(text.size(), 4000U);
  EXPECT_LT(text.size(), 4200U);
  tail.Add("\nshort");
  EXPECT_EQ(tail.Format(), "\nThe end of its output:\n    ...\n    short");
}

TEST(OutputTailTest, BytesThatSpoilAReportAreEscaped) {
  EXPECT_THAT(TailOf("\x1b[31m\r\x7f\ta"),
              EndsWith("\n    \\033[31m\\r\\177\ta"));
  EXPECT_THAT(TailOf("\xff\xc3\xc0\x80\xed\xa0\x80z"),
              EndsWith("\n    \\xff\\xc3\\xc0\\x80\\xed\\xa0\\x80z"));
  EXPECT_THAT(TailOf("\xc2\x9b\xe2\x80\xae"), EndsWith("\n    \\u009b\\u202e"));
  const std::string good = "\xc3\xa4\xe2\x82\xac\xf0\x9f\x99\x82";
  EXPECT_THAT(TailOf(good), EndsWith("\n    " + good));
}

TEST(FormatReportTest, NothingIsNothing) { EXPECT_EQ(FormatReport(""), ""); }

TEST(FormatReportTest, TraceComesFirst) {
  EXPECT_EQ(FormatReport("    (unknown)\nGoogle Test trace:\nfile.cc:1: way\n"),
            "\nGoogle Test trace:\nfile.cc:1: way\nStack trace:\n"
            "    (unknown)");
}

SandboxedProcess MakeProcess(const std::string& name, char state,
                             const std::string& waits_in) {
  SandboxedProcess one;
  one.pid = 5;
  one.parent = 2;
  SandboxedThread thread;
  thread.tid = 5;
  thread.name = name;
  thread.state = state;
  thread.waits_in = waits_in;
  one.threads = {thread};
  return one;
}

TEST(FormatReportTest, ProcessesComeBehindThreads) {
  SandboxedProcess waiting =
      MakeProcess("cat", 'S', "read of /x (descriptor 0)");
  waiting.command = "cat -";
  EXPECT_EQ(FormatReport("  thread 2 (a):\n    (unknown)\n", {waiting}),
            "\nStack trace:\n  thread 2 (a):\n    (unknown)\n"
            "  process 5 (cat), child of 2, waits in read of /x (descriptor "
            "0): cat -");
  waiting.parent = 0;
  EXPECT_EQ(FormatReport("", {waiting}),
            "\nStack trace:\n"
            "  process 5 (cat), waits in read of /x (descriptor 0): cat -");
}

TEST(FormatReportTest, EveryStateHasItsWords) {
  const auto shown = [](char state, const std::string& waits_in) {
    return FormatReport("", {MakeProcess("a", state, waits_in)});
  };
  const std::string start = "\nStack trace:\n  process 5 (a), child of 2, ";
  EXPECT_EQ(shown('R', ""), start + "runs");
  EXPECT_EQ(shown('S', ""), start + "waits");
  EXPECT_EQ(shown('D', "vfork"), start + "waits, deaf to signals, in vfork");
  EXPECT_EQ(shown('T', ""), start + "is stopped by a signal");
  EXPECT_EQ(shown('t', ""), start + "is stopped by its tracer");
  EXPECT_EQ(shown('Z', ""),
            start + "has ended, and its parent hasn't waited for it");
}

TEST(FormatReportTest, ProcessesAreCutToSize) {
  SandboxedProcess one = MakeProcess("a\n", 'S', "");
  one.command = std::string(300, 'x') + "\n";
  one.threads.resize(100, one.threads[0]);
  one.threads[1].tid = 6;
  const std::string shown = FormatReport("", {one});
  EXPECT_THAT(shown,
              StartsWith(absl::StrCat(
                  "\nStack trace:\n  process 5 (a\\n), child of 2, waits: ",
                  std::string(200, 'x'), "...\n",
                  "  process 5, thread 6 (a\\n), waits\n")));
  EXPECT_THAT(shown, EndsWith("waits\n  36 more threads"));
}

// An address that nothing is mapped at.
TEST(FormatReportTest, WhatIsNotKnownStaysAsItIs) {
  EXPECT_EQ(FormatReport("    @ 0x10  (unknown)\n    @ (nil)  (unknown)\n"),
            "\nStack trace:\n    @ 0x10  (unknown)\n    @ (nil)  (unknown)");
}

// The line of an instruction is its own, that of a call the one before it.
TEST(FormatReportTest, FunctionsGetTheirLines) {
  if (system("g++ --version >/dev/null 2>&1") != 0) {
    ASSERT_EQ(getenv("REQUIRE_ALL_TESTS"), nullptr) << "no g++ here";
    GTEST_SKIP() << "no g++ here";
  }
  const std::string directory = testing::TempDir() + "/report_test";
  ASSERT_EQ(system(absl::StrCat("mkdir -p ", directory).c_str()), 0);
#if defined(__x86_64__)
  constexpr uintptr_t kSizeOfNop = 1;
#else
  constexpr uintptr_t kSizeOfNop = 4;
#endif
  std::ofstream(directory + "/lines.cc") << "extern \"C\" void Callee() {\n"
                                            "  asm volatile(\"nop\");\n"
                                            "  asm volatile(\"nop\");\n"
                                            "}\n";
  ASSERT_EQ(system(absl::StrCat("cd ", directory,
                                " && g++ -g -O2 -fcf-protection=none -shared "
                                "-fPIC -o lines.so lines.cc")
                       .c_str()),
            0);
  void* const object = dlopen((directory + "/lines.so").c_str(), RTLD_NOW);
  ASSERT_NE(object, nullptr) << dlerror();
  const auto first = reinterpret_cast<uintptr_t>(dlsym(object, "Callee"));
  const std::string second =
      absl::StrCat("    @ 0x", absl::Hex(first + kSizeOfNop), "  name\n");

  const std::string shown = FormatReport(absl::StrCat(
      "  thread 1 (a):\n", second, second, "  thread 2 (b):\n", second));
  EXPECT_THAT(shown, MatchesRegex(absl::StrCat(
                         "\nStack trace:\n  thread 1 \\(a\\):\n"
                         "    @ 0x[0-9a-f]+  Callee at [^\n]*lines.cc:3\n"
                         "    @ 0x[0-9a-f]+  Callee at [^\n]*lines.cc:2\n"
                         "  thread 2 \\(b\\):\n"
                         "    @ 0x[0-9a-f]+  Callee at [^\n]*lines.cc:3")));
  dlclose(object);
}

}  // namespace
}  // namespace encapsulate
