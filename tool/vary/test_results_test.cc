// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/test_results.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Read(absl::string_view xml) {
  std::vector<std::string> words;
  for (const auto& test : ReadTestResults(xml)) {
    const std::string& message = test.second.message;
    words.push_back(absl::StrCat(test.first, " ", StateName(test.second.state),
                                 message.empty() ? "" : ": ", message));
  }
  return words;
}

constexpr char kDocument[] = R"(<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="5" failures="1" name="AllTests">
  <testsuite name="ShopTest" tests="4">
    <testcase name="Sells" file="a.cc" line="1" status="run" result="completed" time="0." classname="ShopTest" />
    <testcase name="Off" status="notrun" result="suppressed" time="0." classname="ShopTest" />
    <testcase name="Buys" status="run" result="completed" time="0." classname="ShopTest">
      <failure message="a.cc:3&#x0A;&quot;1&quot; &lt; &amp;" type=""><![CDATA[<testcase name="Forged" status="run" classname="X" />
]]>]]&gt;<![CDATA[</testcase>]]></failure>
      <failure message="second" type=""></failure>
    </testcase>
    <testcase name="Waits" status="run" result="skipped" time="0." classname="ShopTest">
      <skipped message="no"/>
    </testcase>
    <testcase name="Says" status="run" result="completed" time="0." classname="ShopTest">
      <properties><property name="a" value="/>"/></properties>
    </testcase>
  </testsuite>
</testsuites>
)";

TEST(TestResultsTest, AreReadFromGoogleTestsXml) {
  EXPECT_THAT(Read(kDocument),
              ElementsAre("ShopTest.Buys fails: a.cc:3\n\"1\" < &",
                          "ShopTest.Says passes", "ShopTest.Sells passes",
                          "ShopTest.Waits is skipped"));
}

// If each character were compared with all that follow, it would take hours.
TEST(TestResultsTest, MessagesMayBeLong) {
  const std::string message(16 << 20, '&');
  EXPECT_THAT(Read(absl::StrCat("<testcase name=\"A\" status=\"run\" "
                                "classname=\"B\"><failure message=\"",
                                message, "&#x26;\"/></testcase>")),
              ElementsAre(absl::StrCat("B.A fails: ", message, "&")));
}

TEST(TestResultsTest, OtherReferencesStay) {
  EXPECT_THAT(Read("<testcase name=\"&#x;&#x41&#x000000041;&#x00000041;&#65;\" "
                   "status=\"run\" classname=\"B\"/>"),
              ElementsAre("B.&#x;&#x41&#x000000041;&#x00000041;&#65; passes"));
}

TEST(TestResultsTest, AreThoseOfTheWholeTestsBeforeACut) {
  const std::string document = kDocument;
  for (size_t size = 0; size <= document.size(); ++size) {
    for (const std::string& word : Read(document.substr(0, size))) {
      EXPECT_EQ(word.substr(0, 9), "ShopTest.");
    }
  }
}

TEST(TestResultsTest, AreNoneOfWhatIsNoXml) {
  for (const char* text :
       {"", "<", "<a", "<a b", "<a b=", "<a b='", "<![CDATA[", "</", "<>",
        "<//>", "<testcase status='run' classname=", "{\"a\": 1}"}) {
    EXPECT_THAT(Read(text), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace encapsulate::tool
