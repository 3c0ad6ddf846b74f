// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/search.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace encapsulate::tool {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Le;

Variations All() {
  Variations all;
  for (const Variation& variation : AllVariations()) all.push_back(&variation);
  return all;
}

bool Has(const Variations& world, size_t index) {
  return std::count(world.begin(), world.end(), All()[index]) > 0;
}

std::vector<std::string> Words(const std::vector<Finding>& findings) {
  std::vector<std::string> words;
  for (const Finding& finding : findings) {
    std::string cases;
    for (const std::string& name : finding.cases) cases += " " + name;
    words.push_back(NamesOf(finding.variations) + cases);
  }
  return words;
}

std::string NameOf(size_t index) { return std::string(All()[index]->name); }

TEST(SearchTest, FindsOneOfManyInFewRuns) {
  for (size_t guilty = 0; guilty < All().size(); ++guilty) {
    int runs = 0;
    const auto findings =
        FindCauses(All(), {"A"}, [&](const Variations& world, const Cases&) {
          ++runs;
          return Has(world, guilty) ? Cases{"A"} : Cases{};
        });
    EXPECT_THAT(Words(findings), ElementsAre(NameOf(guilty) + " A"));
    EXPECT_THAT(runs, Le(2 * 5));
  }
}

TEST(SearchTest, FindsEachCauseOfACase) {
  const auto findings =
      FindCauses(All(), {"A"}, [&](const Variations& world, const Cases&) {
        return Has(world, 1) || Has(world, 2) || Has(world, 15) ? Cases{"A"}
                                                                : Cases{};
      });
  EXPECT_THAT(Words(findings), ElementsAre(NameOf(1) + " A", NameOf(2) + " A",
                                           NameOf(15) + " A"));
}

TEST(SearchTest, TellsCasesApart) {
  const auto findings = FindCauses(
      All(), {"A", "B", "C"}, [&](const Variations& world, const Cases& cases) {
        Cases differing;
        if (Has(world, 3)) differing.insert("A");
        if (Has(world, 3)) differing.insert("B");
        if (Has(world, 9)) differing.insert("C");
        for (const std::string& name : differing) {
          EXPECT_TRUE(cases.count(name) > 0 || Has(world, 3)) << name;
        }
        Cases wanted;
        for (const std::string& name : cases) {
          if (differing.count(name) > 0) wanted.insert(name);
        }
        return wanted;
      });
  EXPECT_THAT(Words(findings),
              ElementsAre(NameOf(3) + " A B", NameOf(9) + " C"));
}

TEST(SearchTest, FindsWhatActsOnlyTogether) {
  const auto findings = FindCauses(
      All(), {"A", "B"}, [&](const Variations& world, const Cases& cases) {
        Cases differing;
        if (Has(world, 0) && Has(world, 17)) differing.insert("A");
        if (Has(world, 4) && Has(world, 12) && Has(world, 13)) {
          differing.insert("B");
        }
        Cases wanted;
        for (const std::string& name : cases) {
          if (differing.count(name) > 0) wanted.insert(name);
        }
        return wanted;
      });
  ASSERT_EQ(findings.size(), 2u);
  for (const Finding& finding : findings) {
    const Variations together =
        finding.cases == Cases{"A"}
            ? Variations{All()[0], All()[17]}
            : Variations{All()[4], All()[12], All()[13]};
    EXPECT_EQ(NamesOf(finding.variations), NamesOf(together));
  }
}

TEST(SearchTest, SaysSoIfItDoesNotHappenAgain) {
  const auto findings = FindCauses(
      All(), {"A"}, [](const Variations&, const Cases&) { return Cases{}; });
  EXPECT_THAT(Words(findings), ElementsAre(" A"));
  EXPECT_THAT(findings[0].variations, IsEmpty());
}

TEST(SearchTest, EndsWhateverItIsTold) {
  unsigned state = 1;
  for (int round = 0; round < 200; ++round) {
    const auto findings = FindCauses(
        All(), {"A", "B", "C"}, [&](const Variations&, const Cases& cases) {
          Cases differing;
          for (const std::string& name : cases) {
            state = state * 1103515245 + 12345;
            if ((state >> 16) % 2 == 0) differing.insert(name);
          }
          return differing;
        });
    Cases named;
    for (const Finding& finding : findings) {
      named.insert(finding.cases.begin(), finding.cases.end());
    }
    EXPECT_EQ(named, (Cases{"A", "B", "C"}));
  }
}

}  // namespace
}  // namespace encapsulate::tool
