// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/isolation.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Of all that are known, and one above.
constexpr int kAbis = 11;

const Promise& PromiseOf(const std::string& name) {
  for (const Promise& promise : Promises()) {
    if (promise.name == name) return promise;
  }
  ADD_FAILURE() << "there is no promise '" << name << "'";
  return Promises().front();
}

TEST(IsolationTest, NamesAreReadBack) {
  for (Isolation level : {Isolation::kNamespaces, Isolation::kLandlock,
                          Isolation::kProcess, Isolation::kBest}) {
    EXPECT_EQ(IsolationOfName(IsolationName(level)), level);
  }
  for (const char* name : {"", "Landlock", "landlock ", "none", "bes"}) {
    EXPECT_EQ(IsolationOfName(name), absl::nullopt) << name;
  }
}

TEST(IsolationTest, BestIsNoLevelOfItsOwn) {
  EXPECT_THAT(AllIsolations(),
              ElementsAre(Isolation::kNamespaces, Isolation::kLandlock,
                          Isolation::kProcess));
}

TEST(PromisesTest, EachHasANameOfItsOwnAndASentence) {
  std::set<std::string> names;
  for (const Promise& promise : Promises()) {
    EXPECT_TRUE(names.insert(promise.name).second) << promise.name;
    // For lists that are put together by ", ".
    EXPECT_FALSE(absl::StrContains(promise.name, ", and")) << promise.name;
    EXPECT_FALSE(absl::EndsWith(promise.name, ".")) << promise.name;
    const std::string sentence = promise.sentence;
    EXPECT_TRUE(absl::EndsWith(sentence, ".")) << sentence;
    // It stands in a table.
    EXPECT_FALSE(absl::StrContains(sentence, "|")) << sentence;
    EXPECT_FALSE(absl::StrContains(sentence, "\n")) << sentence;
  }
}

// Which level is stronger is the same for every promise that is about reaching
// out. Those that the weakest one keeps as well are about what works inside.
TEST(PromisesTest, TheOrderOfLevelsIsThatOfTheirStrength) {
  for (const Promise& promise : Promises()) {
    if (promise.process == Kept::kWall) continue;
    for (int abi = 0; abi <= kAbis; ++abi) {
      const Kept kept = HowKept(promise, Isolation::kLandlock, abi);
      EXPECT_LE(promise.namespaces, kept) << promise.name << " " << abi;
      EXPECT_LE(kept, promise.process) << promise.name << " " << abi;
    }
  }
}

TEST(PromisesTest, ANewerLandlockKeepsNothingLess) {
  for (const Promise& promise : Promises()) {
    for (int abi = 0; abi < kAbis; ++abi) {
      EXPECT_LE(HowKept(promise, Isolation::kLandlock, abi + 1),
                HowKept(promise, Isolation::kLandlock, abi))
          << promise.name << " " << abi;
    }
  }
}

TEST(PromisesTest, DependOnLandlockWhereTheyDo) {
  const Promise& signals = PromiseOf("signals");
  EXPECT_EQ(HowKept(signals, Isolation::kLandlock, 5), Kept::kHonestCode);
  EXPECT_EQ(HowKept(signals, Isolation::kLandlock, 6), Kept::kWall);
  EXPECT_EQ(HowKept(signals, Isolation::kNamespaces, 0), Kept::kWall);
  EXPECT_EQ(HowKept(signals, Isolation::kProcess, 6), Kept::kNo);
  const Promise& files = PromiseOf("files");
  EXPECT_EQ(HowKept(files, Isolation::kLandlock, 1), Kept::kWall);
  EXPECT_EQ(HowKept(files, Isolation::kProcess, 7), Kept::kNo);
}

TEST(PromisesTest, AreListedByHowTheyAreKept) {
  EXPECT_THAT(NamesOf(Kept::kNo, Isolation::kNamespaces, 0), IsEmpty());
  const std::string missing = NamesOf(Kept::kNo, Isolation::kLandlock, 7);
  EXPECT_TRUE(absl::StrContains(missing, "own ports, ")) << missing;
  EXPECT_FALSE(absl::StrContains(missing, "signals")) << missing;
  const std::string honest =
      NamesOf(Kept::kHonestCode, Isolation::kLandlock, 5);
  EXPECT_TRUE(absl::StrContains(honest, "signals")) << honest;
  EXPECT_FALSE(absl::StrContains(honest, "own ports")) << honest;
}

// A row of docs/isolation.md.
std::string RowOf(const Promise& promise) {
  std::string landlock = KeptName(promise.landlock);
  if (promise.landlock_abi > 0) {
    absl::StrAppend(&landlock, " from Linux ",
                    LinuxOfLandlock(promise.landlock_abi), " on, else ",
                    KeptName(promise.landlock_below));
  }
  return absl::StrCat("| ", promise.name, " | ", promise.sentence, " | ",
                      KeptName(promise.namespaces), " | ", landlock, " | ",
                      KeptName(promise.process), " |\n");
}

TEST(PromisesTest, AreInTheDocumentationAsTheyAreHere) {
  std::ifstream file("docs/isolation.md");
  ASSERT_TRUE(file.is_open());
  std::ostringstream content;
  content << file.rdbuf();
  std::string table =
      "| promise | | namespaces | landlock | process |\n"
      "|---|---|---|---|---|\n";
  for (const Promise& promise : Promises()) table += RowOf(promise);
  // With nothing before or behind that belongs to it.
  EXPECT_THAT(content.str(), HasSubstr("\n\n" + table + "\n"))
      << "docs/isolation.md has to have:\n"
      << table;
}

TEST(LinuxOfLandlockTest, IsTheKernelThatBroughtIt) {
  EXPECT_STREQ(LinuxOfLandlock(-1), "");
  EXPECT_STREQ(LinuxOfLandlock(0), "");
  EXPECT_STREQ(LinuxOfLandlock(1), "5.13");
  EXPECT_STREQ(LinuxOfLandlock(6), "6.12");
  EXPECT_STREQ(LinuxOfLandlock(10), "7.2");
  EXPECT_STREQ(LinuxOfLandlock(99), "7.2");
}

}  // namespace
}  // namespace encapsulate
