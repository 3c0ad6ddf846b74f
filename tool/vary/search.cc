// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/search.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace encapsulate::tool {
namespace {

Cases Without(const Cases& cases, const Cases& others) {
  Cases rest;
  std::set_difference(cases.begin(), cases.end(), others.begin(), others.end(),
                      std::inserter(rest, rest.end()));
  return rest;
}

class Search {
 public:
  explicit Search(const DiffersIn& differs) : differs_(differs) {}

  // `cases` were seen to differ in `world`.
  void Follow(const Variations& world, const Cases& cases) {
    if (cases.empty()) return;
    if (world.size() == 1) {
      Add(world, cases);
      return;
    }
    const auto middle =
        world.begin() + static_cast<std::ptrdiff_t>(world.size() / 2);
    Cases rest = cases;
    for (const Variations& half :
         {Variations(world.begin(), middle), Variations(middle, world.end())}) {
      const Cases differing = differs_(half, cases);
      rest = Without(rest, differing);
      Follow(half, differing);
    }
    FollowTogether(world, rest);
  }

  std::vector<Finding> Take() { return std::move(findings_); }

 private:
  // `cases` differ in `world`, and in neither half of it. What isn't needed is
  // left out, one variation after the other.
  void FollowTogether(Variations world, const Cases& cases) {
    if (cases.empty()) return;
    const Cases again = differs_(world, cases);
    const Cases once = Without(cases, again);
    if (!once.empty()) Add({}, once);
    if (again.empty()) return;
    for (size_t i = 0; i < world.size();) {
      Variations fewer = world;
      fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
      const Cases differing = differs_(fewer, again);
      if (differing.empty()) {
        ++i;  // all need it
      } else if (differing == again) {
        world = std::move(fewer);
      } else {
        // Not all have the same cause.
        FollowTogether(fewer, differing);
        FollowTogether(world, Without(again, differing));
        return;
      }
    }
    Add(world, again);
  }

  void Add(const Variations& variations, const Cases& cases) {
    const auto same = std::find_if(
        findings_.begin(), findings_.end(),
        [&](const Finding& other) { return other.variations == variations; });
    if (same == findings_.end()) {
      findings_.push_back({variations, cases});
    } else {
      same->cases.insert(cases.begin(), cases.end());
    }
  }

  const DiffersIn& differs_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> FindCauses(const Variations& world, const Cases& cases,
                                const DiffersIn& differs) {
  Search search(differs);
  search.Follow(world, cases);
  return search.Take();
}

}  // namespace encapsulate::tool
