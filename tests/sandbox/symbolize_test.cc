// SPDX-License-Identifier: Apache-2.0
//
// Symbolizers that come out of PATH, and may be anything.
#include "encapsulate/symbolize.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "encapsulate/violations.h"
#include "gtest/gtest.h"
#include "tests/support/sandbox.h"

namespace encapsulate {
namespace {

Violation CalledFrom(const std::string& object,
                     const std::vector<uint64_t>& offsets) {
  Violation violation;
  for (uint64_t offset : offsets) {
    Frame frame;
    frame.object = object;
    frame.offset = offset;
    violation.stack.push_back(frame);
  }
  return violation;
}

std::string Functions(const std::vector<Violation>& violations) {
  std::string functions;
  for (const Violation& violation : violations) {
    for (const Frame& frame : violation.stack) {
      functions += frame.function.empty() ? "? " : frame.function + " ";
    }
  }
  return functions;
}

// Makes `script` the one symbolizer there is. In a fork, since PATH is searched
// once.
void WithSymbolizer(const Scratch& scratch, const std::string& script,
                    const std::string& name = "addr2line") {
  const std::string path = scratch / "bin";
  mkdir(path.c_str(), 0755);
  if (!script.empty()) {
    const std::string file = scratch.File("bin/" + name, script);
    ASSERT_EQ(chmod(file.c_str(), 0755), 0);
  }
  setenv("PATH", path.c_str(), 1);
}

// Names functions after the number of addresses that it was asked for.
constexpr char kCounts[] =
    "#!/bin/sh\n"
    "while [ \"$1\" != -e ]; do shift; done; shift 2\n"
    "for address; do echo \"$address\nasked_for_$#\nfile.c:1\"; done\n";

constexpr char kHangs[] =
    "#!/bin/sh\n"
    "trap '' TERM\n"
    "while :; do /bin/sleep 1000; done\n";

TEST(SymbolizeTest, AsksOnceForAllOfAnObject) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  const std::string two = scratch.File("two", "");
  InFork([&] {
    WithSymbolizer(scratch, kCounts);
    std::vector<Violation> violations = {
        CalledFrom(one, {1, 2}), CalledFrom(two, {1}), CalledFrom(one, {2, 3})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations),
              "asked_for_3 asked_for_3 asked_for_1 asked_for_3 asked_for_3 ");
    EXPECT_EQ(violations[0].stack[0].file, "file.c");
    // What is known isn't asked for again.
    std::vector<Violation> later = {CalledFrom(one, {1, 2, 3, 4})};
    Symbolize(&later);
    EXPECT_EQ(Functions(later),
              "asked_for_3 asked_for_3 asked_for_3 asked_for_1 ");
  });
}

TEST(SymbolizeTest, ASymbolizerThatHangsIsGivenUp) {
  const Scratch scratch;
  const std::string other = scratch.File("other", "");
  std::vector<Violation> violations;
  for (const char* name : {"one", "two", "three"}) {
    violations.push_back(CalledFrom(scratch.File(name, ""), {1}));
  }
  InFork([&] {
    WithSymbolizer(scratch, kHangs);
    SymbolizeWithin(absl::Milliseconds(200), &violations);
    EXPECT_EQ(Functions(violations), "? ? ? ");
    EXPECT_EQ(CountChildren(), 0);
    // It isn't asked again, not even for others.
    WithSymbolizer(scratch, kCounts);
    std::vector<Violation> others = {CalledFrom(other, {1})};
    Symbolize(&others);
    EXPECT_EQ(Functions(others), "? ");
  });
}

TEST(SymbolizeTest, ASymbolizerThatWritesWithoutEndIsGivenUp) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  const std::string two = scratch.File("two", "");
  InFork([&] {
    WithSymbolizer(scratch,
                   "#!/bin/sh\n"
                   "while :; do echo \"0x1\nendless\nfile.c:1\"; done\n");
    std::vector<Violation> violations = {CalledFrom(one, {1})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations), "? ");
    EXPECT_EQ(CountChildren(), 0);
    // That was the object's fault, most likely.
    WithSymbolizer(scratch, kCounts);
    std::vector<Violation> others = {CalledFrom(two, {1})};
    Symbolize(&others);
    EXPECT_EQ(Functions(others), "asked_for_1 ");
  });
}

TEST(SymbolizeTest, LongNamesAreCutAndManyAreDropped) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  InFork([&] {
    WithSymbolizer(scratch,
                   "#!/bin/sh\n"
                   "name=0123456789abcdef\n"
                   "for i in 1 2 3 4 5 6 7 8 9 10; do name=$name$name; done\n"
                   "echo 0x1\n"
                   "for i in 1 2 3 4 5 6 7 8 9 10; do\n"
                   "  for j in 1 2 3 4 5 6 7 8 9 10; do\n"
                   "    echo \"$name\n$name:1\"\n"
                   "  done\n"
                   "done\n");
    std::vector<Violation> violations = {CalledFrom(one, {1})};
    Symbolize(&violations);
    ASSERT_EQ(violations[0].stack.size(), 64U);
    EXPECT_EQ(violations[0].stack[63].function.size(), 4096U);
    EXPECT_EQ(violations[0].stack[63].file.size(), 4096U);
  });
}

TEST(SymbolizeTest, ReadsWhatElfutilsSays) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  InFork([&] {
    // It exits with 1 where an address has no line.
    WithSymbolizer(scratch,
                   "#!/bin/sh\n"
                   "echo 0x0000000000000001\n"
                   "echo 'In inlined at a b.cc:3:4 in Out'\n"
                   "echo 'n::Out(int)+0x12'\n"
                   "echo 'c:d.cc:7:9'\n"
                   "echo 'Out\na b.cc:3:4'\n"
                   "echo '0x2\n()+0x2\n??:0'\n"
                   "echo '0x3\nNoLine\nn::NoLine()+0x3\nx.cc:0:0'\n"
                   "echo '0x4\nNoSymbol\ny.cc:5:6'\n"
                   "exit 1\n",
                   "eu-addr2line");
    std::vector<Violation> violations = {CalledFrom(one, {1, 2, 3, 4})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations), "In n::Out(int) ? n::NoLine() NoSymbol ");
    const std::vector<Frame>& stack = violations[0].stack;
    ASSERT_EQ(stack.size(), 5U);
    EXPECT_EQ(stack[0].file, "c:d.cc");
    EXPECT_EQ(stack[0].line, 7);
    EXPECT_EQ(stack[1].file, "a b.cc");
    EXPECT_EQ(stack[1].line, 3);
    EXPECT_EQ(stack[3].file, "");
    EXPECT_EQ(stack[4].line, 5);
  });
}

// elfutils' would ask a server for debug information.
TEST(SymbolizeTest, NoServerIsAsked) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  InFork([&] {
    WithSymbolizer(scratch,
                   "#!/bin/sh\n"
                   "echo \"0x1\nasks_${DEBUGINFOD_URLS-nobody}\n??:0\"\n");
    setenv("DEBUGINFOD_URLS", "http://127.0.0.1:1", 1);
    std::vector<Violation> violations = {CalledFrom(one, {1})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations), "asks_nobody ");
  });
}

TEST(SymbolizeTest, OnlyFilesAreSymbolized) {
  const Scratch scratch;
  InFork([&] {
    WithSymbolizer(scratch, kCounts);
    std::vector<Violation> violations = {
        CalledFrom(scratch.path(), {1}), CalledFrom("/dev/null", {1}),
        CalledFrom(scratch / "missing", {1}), CalledFrom("[vdso]", {1}),
        CalledFrom(scratch.File("file", ""), {1})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations), "? ? ? ? asked_for_1 ");
  });
}

TEST(SymbolizeTest, AFifoIsNotWaitedFor) {
  const Scratch scratch;
  const std::string fifo = scratch / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0644), 0);
  InFork([&] {
    WithSymbolizer(scratch,
                   "#!/bin/sh\n"
                   "while [ \"$1\" != -e ]; do shift; done\n"
                   "/bin/cat \"$2\"\n"
                   "echo \"0x1\nread_it\nfile.c:1\"\n");
    std::vector<Violation> violations = {
        CalledFrom(fifo, {1}), CalledFrom(scratch.File("file", ""), {1})};
    Symbolize(&violations);
    // In the symbolizer's own sandbox a FIFO is an empty file.
    EXPECT_EQ(Functions(violations), "read_it read_it ");
  });
}

TEST(SymbolizeTest, WithoutASymbolizerThereAreOffsets) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  InFork([&] {
    WithSymbolizer(scratch, "");
    std::vector<Violation> violations = {CalledFrom(one, {1, 2})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations), "? ? ");
    EXPECT_EQ(violations[0].stack[1].offset, 2U);
  });
}

TEST(SymbolizeTest, ASymbolizerThatFailsTellsNothing) {
  const Scratch scratch;
  const std::string one = scratch.File("one", "");
  InFork([&] {
    WithSymbolizer(scratch, "#!/bin/sh\necho 0x1\necho no\nexit 1\n");
    std::vector<Violation> violations = {CalledFrom(one, {1})};
    Symbolize(&violations);
    EXPECT_EQ(Functions(violations), "? ");
  });
}

}  // namespace
}  // namespace encapsulate
