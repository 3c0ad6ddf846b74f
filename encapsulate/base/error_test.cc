// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/error.h"

#include <cerrno>
#include <csignal>

#include "encapsulate/result.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

TEST(ErrorTest, QuoteKeepsALineWhole) {
  EXPECT_EQ(Quote("/a b"), "'/a b'");
  EXPECT_EQ(Quote("line\nbreak\ttab\r"), "'line\\nbreak\\ttab\\r'");
  EXPECT_EQ(Quote("it's"), "'it\\'s'");
  EXPECT_EQ(Quote("back\\slash"), "'back\\\\slash'");
  EXPECT_EQ(Quote("\033[31m"), "'\\033[31m'");
  EXPECT_EQ(Quote("gr\xc3\xbc\xc3\x9f"), "'gr\xc3\xbc\xc3\x9f'");
  EXPECT_EQ(Quote(""), "''");
}

TEST(ErrorTest, ReasonsAreLowerCaseWithTheName) {
  EXPECT_EQ(Reason(ENOENT), "no such file or directory (ENOENT)");
  EXPECT_EQ(Reason(EIO), "input/output error (EIO)");
}

TEST(ErrorTest, TheKindComesBackOutOfAStatus) {
  for (FailureKind kind :
       {FailureKind::kInvalidOptions, FailureKind::kHostRefused,
        FailureKind::kCommandNotFound, FailureKind::kCommandNotUsable}) {
    EXPECT_EQ(FailureKindOf(MakeFailure({kind, "", "", "message"})), kind);
  }
  EXPECT_EQ(FailureKindOf(absl::OkStatus()), FailureKind::kNone);
  EXPECT_EQ(FailureKindOf(absl::NotFoundError("of someone else's")),
            FailureKind::kNone);
}

TEST(ErrorTest, AFailureIsOneSentence) {
  constexpr FailureKind kKind = FailureKind::kHostRefused;
  EXPECT_EQ(Words({kKind, "read", "/a b", "", ENOENT}),
            "cannot read '/a b': no such file or directory (ENOENT)");
  EXPECT_EQ(Words({kKind, "mount", "/a", "it vanished", EIO, "look"}),
            "cannot mount '/a': it vanished: input/output error (EIO); hint: "
            "look");
  EXPECT_EQ(Words({kKind, "fork", "", "too many"}), "cannot fork: too many");
  EXPECT_EQ(Words({kKind, "", "", "there is none", 0, "make one"}),
            "there is none; hint: make one");
}

TEST(ErrorTest, AFailureComesBackOutOfAStatus) {
  const Failure failure = FailureOf(MakeFailure(
      {FailureKind::kInvalidOptions, "use", "/a: b", "why", EIO, "do this"}));
  EXPECT_EQ(failure.kind, FailureKind::kInvalidOptions);
  EXPECT_EQ(failure.verb, "use");
  EXPECT_EQ(failure.object, "/a: b");
  EXPECT_EQ(WhyOf(failure), "why: input/output error (EIO)");
  EXPECT_EQ(failure.hint, "do this");
  const Failure other = FailureOf(absl::InternalError("something else"));
  EXPECT_EQ(other.kind, FailureKind::kNone);
  EXPECT_EQ(WhyOf(other), "something else");
  // A separator inside a part damages nothing but the parts.
  EXPECT_EQ(FailureKindOf(MakeFailure({FailureKind::kInvalidOptions, "use",
                                       std::string("a\0b", 3), "why"})),
            FailureKind::kInvalidOptions);
}

TEST(ErrorTest, SignalsHaveNames) {
  EXPECT_EQ(SignalName(SIGSEGV), "SIGSEGV");
  EXPECT_EQ(SignalName(SIGRTMIN + 3), "SIGRTMIN+3");
  EXPECT_EQ(SignalName(0), "signal 0");
}

}  // namespace
}  // namespace encapsulate
