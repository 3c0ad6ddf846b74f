// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/variations.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string Parsed(const std::string& list) {
  const absl::StatusOr<Variations> chosen = ParseVariations(list);
  return chosen.ok() ? NamesOf(*chosen)
                     : std::string(chosen.status().message());
}

TEST(VariationsTest, AreNamedOnce) {
  std::set<absl::string_view> names;
  for (const Variation& variation : AllVariations()) {
    EXPECT_TRUE(names.insert(variation.name).second) << variation.name;
    EXPECT_EQ(variation.name.substr(0, variation.group.size()),
              variation.group);
    EXPECT_THAT(std::string(variation.does), EndsWith("."));
    EXPECT_FALSE(variation.finds.empty());
    EXPECT_FALSE(variation.example.empty());
  }
}

TEST(VariationsTest, AreChosenByNameAndByGroup) {
  EXPECT_EQ(Parsed("home"), "home");
  EXPECT_EQ(Parsed("umask"), "umask-077,umask-000");
  EXPECT_EQ(Parsed("home,umask-000,cpus,home"), "cpus,umask-000,home");
  EXPECT_THAT(*ParseVariations("all"), SizeIs(AllVariations().size()));
  EXPECT_THAT(*ParseVariations("home,all"), SizeIs(AllVariations().size()));
}

TEST(VariationsTest, AreRefusedByName) {
  EXPECT_EQ(Parsed(""),
            "there is no variation ''; hint: encapsulate --vary=help lists "
            "them");
  EXPECT_EQ(Parsed("home,,cpus"),
            "there is no variation ''; hint: encapsulate --vary=help lists "
            "them");
  EXPECT_EQ(Parsed("hom"),
            "there is no variation 'hom'; hint: did you mean home?");
  EXPECT_EQ(Parsed("time-zone"),
            "there is no variation 'time-zone'; hint: did you mean timezone?");
  EXPECT_THAT(Parsed("a\nb"), HasSubstr("'a\\nb'"));
}

TEST(VariationsTest, OfAGroupOneHoldsInAWorld) {
  for (const std::string list :
       {"all", "umask", "umask,timezone,home", "home"}) {
    const Variations chosen = *ParseVariations(list);
    size_t count = 0;
    for (const Variations& world : Worlds(chosen)) {
      std::set<absl::string_view> groups;
      for (const Variation* variation : world) {
        EXPECT_TRUE(groups.insert(variation->group).second);
        ++count;
      }
    }
    EXPECT_EQ(count, chosen.size());
  }
  EXPECT_THAT(Worlds(*ParseVariations("home,cpus")), SizeIs(1));
  EXPECT_THAT(Worlds(*ParseVariations("umask,timezone,home")), SizeIs(2));
}

TEST(VariationsTest, AreInTheManual) {
  std::ifstream file("docs/vary.md");
  std::string text((std::istreambuf_iterator<char>(file)),
                   std::istreambuf_iterator<char>());
  text.resize(text.find("\n## What it finds"));
  size_t rows = 0;
  for (const Variation& variation : AllVariations()) {
    EXPECT_THAT(text, HasSubstr(absl::StrCat("\n| `", variation.name, "` | ",
                                             variation.does, " |\n")));
    ++rows;
  }
  for (size_t at = text.find("\n| `"); at != std::string::npos;
       at = text.find("\n| `", at + 1)) {
    --rows;
  }
  EXPECT_EQ(rows, 0u);
}

}  // namespace
}  // namespace encapsulate::tool
