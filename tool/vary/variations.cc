// SPDX-License-Identifier: Apache-2.0

#include "tool/vary/variations.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "encapsulate/base/error.h"
#include "tool/words.h"

namespace encapsulate::tool {
namespace {

using Kind = VariationKind;

constexpr Variation kVariations[] = {
    {Kind::kOneCpu, "cpus", "cpus", "Only one processor may be used.",
     "threads that wait for each other without giving way, pool sizes of zero",
     "std::thread::hardware_concurrency() - 1 workers"},
    {Kind::kBusy, "busy", "busy",
     "Every processor has two other processes that compute.",
     "deadlines and sleeps that fit an idle machine",
     "sleep 10 ms, then expect that another thread is done"},
    {Kind::kShuffled, "order", "order",
     "Tests of GoogleTest run in another order.",
     "tests that need what an earlier one left",
     "a global variable that the first test sets"},
    {Kind::kTimezoneEast, "timezone-east", "timezone",
     "The time zone is UTC+14.", "dates that are taken for UTC's",
     "localtime() of a time stamp, compared with a constant"},
    {Kind::kTimezoneWest, "timezone-west", "timezone",
     "The time zone is UTC-9:30, with daylight saving time.",
     "offsets in whole hours, days of 24 hours", "midnight + 86400 s"},
    {Kind::kLocaleC, "locale-c", "locale", "The locale is C.",
     "output that needs UTF-8", "a file name with an umlaut, in a message"},
    {Kind::kLocaleComma, "locale-comma", "locale",
     "The locale writes 0,5 for a half, if one that does is installed.",
     "numbers that are read and written by the user's locale",
     "strtod(\"0.5\") after setlocale()"},
    {Kind::kUserRoot, "user", "user",
     "The user is 0, root, without any capability (--map-root).",
     "checks of the uid in place of the permission",
     "a test that is skipped, or expects to write anywhere, if getuid() is 0"},
    {Kind::kUmask077, "umask-077", "umask",
     "New files are for their owner alone.",
     "files that somebody else is to read",
     "comparing the mode of a new file with 0644"},
    {Kind::kUmask000, "umask-000", "umask", "Everybody may write new files.",
     "modes that nobody asked for", "a key file that must not be writable"},
    {Kind::kHostname, "hostname", "hostname",
     "The host has another, long name.", "buffers and names of the host",
     "a golden file with the developer's host name"},
    {Kind::kHomeMissing, "home", "home",
     "HOME names a directory that doesn't exist.",
     "caches and settings of the user", "reading $HOME/.gitconfig"},
    {Kind::kPathsLong, "paths", "paths",
     "TMPDIR and TEST_TMPDIR are long, with spaces and non-ASCII characters.",
     "file names that a shell splits, buffers of 100 bytes",
     "system((\"ls \" + dir).c_str())"},
    {Kind::kReaddir, "readdir", "readdir",
     "TMPDIR and TEST_TMPDIR are in memory (tmpfs), which lists what is newest "
     "first, else on the disk.",
     "the order in which a directory is read",
     "comparing the output of readdir() without sorting it"},
    {Kind::kNoAslr, "aslr", "aslr",
     "Addresses are the same in each run (personality(2)).",
     "order or hashes by address", "std::set<Node*>, printed in its order"},
    {Kind::kMemory, "memory", "memory",
     "malloc() fills what it gives and takes back (MALLOC_PERTURB_).",
     "memory that is read before it is written, or after it was freed",
     "a member that no constructor sets"},
    {Kind::kDescriptorsHigh, "descriptors-high", "descriptors",
     "Descriptors 3 to 1099 are taken.", "select() beyond FD_SETSIZE",
     "FD_SET(open(...), &set)"},
    {Kind::kDescriptorsFew, "descriptors-few", "descriptors",
     "At most 256 descriptors can be open.",
     "descriptors that are never closed",
     "a socket for each of 1,000 requests"},
    {Kind::kStdinEmpty, "stdin-empty", "stdin", "Standard input is /dev/null.",
     "waiting for somebody who types", "read(0, ...) expected to block"},
    {Kind::kStdinClosed, "stdin-closed", "stdin", "Standard input is closed.",
     "the number 0 for a new file", "if (fd > 0) close(fd)"},
    {Kind::kTerminal, "terminal", "terminal",
     "Standard output and error are a terminal of 40 columns, else a pipe.",
     "output that is compared, and is folded or coloured for people",
     "a progress bar in a golden file"},
    {Kind::kEnvironmentMinimal, "environment-minimal", "environment",
     "The environment has PATH, HOME, TMPDIR, the test runner's variables and "
     "nothing else.",
     "variables of the developer's shell", "getenv(\"USER\") without a check"},
    {Kind::kEnvironmentLarge, "environment-large", "environment",
     "The environment has 1,000 more variables, 100 kB together.",
     "buffers for the environment, stacks at their limit",
     "char copy[4096]; for each variable of environ"},
};

absl::Status Unknown(absl::string_view name) {
  std::vector<absl::string_view> names;
  for (const Variation& variation : kVariations) {
    names.push_back(variation.group);
    names.push_back(variation.name);
  }
  const absl::optional<size_t> nearest = NearestWord(name, names);
  return MakeFailure(
      {FailureKind::kInvalidOptions, "", "",
       absl::StrCat("there is no variation ", Quote(name)), 0,
       name.empty() || !nearest.has_value()
           ? "encapsulate --vary=help lists them"
           : absl::StrCat("did you mean ", names[*nearest], "?")});
}

}  // namespace

bool Holds(const Variations& variations, VariationKind kind) {
  return std::any_of(
      variations.begin(), variations.end(),
      [kind](const Variation* variation) { return variation->kind == kind; });
}

absl::Span<const Variation> AllVariations() { return kVariations; }

absl::StatusOr<Variations> ParseVariations(absl::string_view list) {
  std::set<const Variation*> chosen;
  for (absl::string_view name : absl::StrSplit(list, ',')) {
    bool found = false;
    for (const Variation& variation : kVariations) {
      if (name != "all" && name != variation.name && name != variation.group) {
        continue;
      }
      chosen.insert(&variation);
      found = true;
    }
    if (!found) return Unknown(name);
  }
  // They are elements of one array, so their order is the table's.
  return Variations(chosen.begin(), chosen.end());
}

std::vector<Variations> Worlds(const Variations& chosen) {
  std::vector<Variations> worlds;
  for (const Variation* variation : chosen) {
    const auto has_room = [&](const Variations& world) {
      return std::none_of(world.begin(), world.end(),
                          [&](const Variation* other) {
                            return other->group == variation->group;
                          });
    };
    auto world = std::find_if(worlds.begin(), worlds.end(), has_room);
    if (world == worlds.end()) world = worlds.emplace(worlds.end());
    world->push_back(variation);
  }
  return worlds;
}

std::string NamesOf(const Variations& variations) {
  return absl::StrJoin(variations, ",",
                       [](std::string* out, const Variation* variation) {
                         absl::StrAppend(out, variation->name);
                       });
}

std::string VariationsHelp() {
  std::string help =
      "Variations of --vary=LIST and --world=LIST, by name or by group:\n";
  for (const Variation& variation : kVariations) {
    absl::StrAppend(&help, "\n  ", variation.name);
    if (variation.name != variation.group) {
      absl::StrAppend(&help, " (group ", variation.group, ")");
    }
    absl::StrAppend(&help, "\n");
    for (const std::string& text :
         {std::string(variation.does), absl::StrCat("Finds: ", variation.finds),
          absl::StrCat("Such as: ", variation.example)}) {
      absl::StrAppend(&help, "      ");
      AppendWrapped(text, 6, 6, &help);
    }
  }
  absl::StrAppend(&help,
                  "\nOf a group one holds at a time; 'all' is every one, in as "
                  "many worlds as that takes.\n");
  return help;
}

}  // namespace encapsulate::tool
