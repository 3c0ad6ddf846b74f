// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/base/printable.h"

#include <string>

#include "encapsulate/base/error.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

TEST(PrintableTest, EscapesWhatMovesTheCursorOrForgesLines) {
  EXPECT_EQ(Printable("a\nb\r\t"), "a\\nb\\r\\t");
  EXPECT_EQ(Printable("\033]0;title\a"), "\\033]0;title\\007");
  EXPECT_EQ(Printable("\x7f"), "\\177");
  // CSI as one character of C1.
  EXPECT_EQ(Printable("\xc2\x9b"
                      "31m"),
            "\\u009b31m");
  EXPECT_EQ(Printable("\xe2\x80\xa8\xe2\x80\xa9"), "\\u2028\\u2029");
  EXPECT_EQ(Printable(std::string("\0", 1)), "\\000");
}

TEST(PrintableTest, EscapesWhatTurnsTextAround) {
  EXPECT_EQ(Printable("\xe2\x80\xae"
                      "txt.exe"),
            "\\u202etxt.exe");
  EXPECT_EQ(Printable("\xd8\x9c\xe2\x80\x8e\xe2\x81\xa6\xe2\x81\xa9"),
            "\\u061c\\u200e\\u2066\\u2069");
}

TEST(PrintableTest, EscapesWhatIsNotUtf8) {
  EXPECT_EQ(Printable("\xff\xc0\x80"), "\\xff\\xc0\\x80");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(Printable("\xe2\x80"), "\\xe2\\x80") << "cut";
}

TEST(PrintableTest, KeepsWhatPeopleWrite) {
  const std::string text =
      "it's \"C:\\\", gr\xc3\xbc\xc3\x9f, \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d, "
      "\xe6\x97\xa5\xe6\x9c\xac, \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb";
  EXPECT_EQ(Printable(text), text);
}

TEST(PrintableTest, KeepsLinesAndTabsOfATextOfSeveral) {
  EXPECT_EQ(PrintableLines("a\tb\n\033[2J\n\n"), "a\tb\n\\033[2J\n\n");
}

TEST(PrintableTest, EscapesForCodeByteByByte) {
  EXPECT_EQ(EscapeForCode("a'\"\\\n\xe2\x80\xae\xff gr\xc3\xbc\xc3\x9f"),
            "a\\'\\\"\\\\\\n\\342\\200\\256\\377 gr\xc3\xbc\xc3\x9f");
}

TEST(PrintableTest, QuotesEscapeTheSame) {
  EXPECT_EQ(Quote("\xc2\x9b\xe2\x80\xae"), "'\\u009b\\u202e'");
}

}  // namespace
}  // namespace encapsulate
