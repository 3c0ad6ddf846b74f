// SPDX-License-Identifier: Apache-2.0

#include "tool/learning.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "encapsulate/allow_pattern.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/violation_text.h"
#include "tool/report.h"

namespace encapsulate::tool {
namespace {

// The tree that would have to be writable; empty if none would do.
std::string TreeToWrite(const Violation& violation) {
  std::string tree = TreeToPermit(violation);
  if (violation.rule != Rule::kWrite || tree.empty()) return "";
  // A file that is there needs no new name.
  struct stat info;
  if (OpensTarget(violation) && stat(violation.target.c_str(), &info) == 0 &&
      S_ISREG(info.st_mode)) {
    return violation.target;
  }
  return tree;
}

// Without trees that lie in others.
std::vector<std::string> Outermost(const std::set<std::string>& trees) {
  std::vector<std::string> outermost;
  for (const std::string& tree : trees) {
    if (absl::c_none_of(outermost, [&](const std::string& outer) {
          return IsWithin(tree, outer);
        })) {
      outermost.push_back(tree);
    }
  }
  return outermost;
}

bool IsTemporary(const std::string& tree) {
  return tree == RealPathOrSame("/tmp") || tree == RealPathOrSame("/var/tmp");
}

class Learner {
 public:
  explicit Learner(const Lesson& lesson) : lesson_(lesson) {}

  void Add(const Violation& violation) {
    const std::string tree = TreeToWrite(violation);
    if (tree.empty()) {
      others_.insert(IgnoreLine(violation, Language::kFlags));
    } else if (!lesson_.permit && !lesson_.has_tmp && IsTemporary(tree)) {
      tmp_ = true;
    } else if (!lesson_.permit && !lesson_.is_hermetic && IsAtHome(tree)) {
      hermetic_ = true;
    } else if (access(tree.c_str(), W_OK) == 0 &&
               (lesson_.permit || MayBeGiven(tree))) {
      writable_.insert(tree);
    } else {
      ignored_trees_.insert(tree);
    }
    if (violation.rule == Rule::kWrite) targets_.push_back(violation.target);
  }

  std::vector<std::string> Flags() const {
    std::vector<std::string> flags;
    if (hermetic_) {
      flags.emplace_back("--hermetic");
    } else if (tmp_) {
      flags.emplace_back("--tmp");
    }
    for (const std::string& tree : Outermost(writable_)) {
      flags.push_back(absl::StrCat("--writable=", ShellWord(tree)));
    }
    for (const std::string& tree : Outermost(ignored_trees_)) {
      AddIgnored(tree, &flags);
    }
    flags.insert(flags.end(), others_.begin(), others_.end());
    return flags;
  }

 private:
  // A directory of a project, not one that holds everything of somebody.
  bool IsInProject(const std::string& tree) const {
    const std::string& directory = lesson_.directory;
    const bool is_project =
        !directory.empty() && directory != "/" && !IsTemporary(directory) &&
        !IsWithin(directory, "/etc") &&
        absl::c_none_of(lesson_.homes, [&](const std::string& home) {
          return IsWithin(home, directory);
        });
    return is_project && IsWithin(tree, directory);
  }

  bool IsAtHome(const std::string& tree) const {
    return !lesson_.homes.empty() && IsWithin(tree, lesson_.homes.front()) &&
           !IsInProject(tree);
  }

  bool MayBeGiven(const std::string& tree) const {
    if (IsInProject(tree)) return true;
    return tree != "/" && !IsTemporary(tree) && !IsWithin(tree, "/etc") &&
           absl::c_none_of(lesson_.homes, [&](const std::string& home) {
             return IsWithin(tree, home) || IsWithin(home, tree);
           });
  }

  // Of the tree itself and of what is in it, whose name may be a new one each
  // time.
  void AddIgnored(const std::string& tree,
                  std::vector<std::string>* flags) const {
    bool itself = false;
    bool inside = false;
    for (const std::string& target : targets_) {
      itself = itself || target == tree;
      inside = inside || (target != tree && IsWithin(target, tree));
    }
    const std::string pattern =
        absl::StrCat("write:", AllowPattern(Rule::kWrite, tree));
    const auto add = [&](const std::string& allowed) {
      const std::string flag = absl::StrCat("--allow=", ShellWord(allowed));
      // Trees that differ by a number have the same pattern.
      if (!absl::c_linear_search(*flags, flag)) flags->push_back(flag);
    };
    if (itself) add(pattern);
    if (inside) add(absl::StrCat(pattern, "/*"));
  }

  const Lesson& lesson_;
  bool tmp_ = false;
  bool hermetic_ = false;
  std::set<std::string> writable_;
  std::set<std::string> ignored_trees_;
  std::set<std::string> others_;
  std::vector<std::string> targets_;
};

}  // namespace

Lesson CurrentLesson(const std::string& directory) {
  Lesson lesson;
  lesson.directory = RealPathOrSame(directory.empty() ? "." : directory);
  const auto add = [&](const char* home) {
    if (home == nullptr || *home != '/' || home[1] == '\0') return;
    const std::string real = RealPathOrSame(home);
    if (!absl::c_linear_search(lesson.homes, real)) {
      lesson.homes.push_back(real);
    }
  };
  add(getenv("HOME"));
  add("/root");
  std::error_code error;
  for (auto entry = std::filesystem::directory_iterator("/home", error);
       entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    add(entry->path().c_str());
  }
  return lesson;
}

std::vector<std::string> LearnedFlags(const std::vector<Violation>& violations,
                                      const Lesson& lesson) {
  Learner learner(lesson);
  for (const Violation& violation : violations) learner.Add(violation);
  return learner.Flags();
}

void SayLearned(const Result& result, const std::vector<Violation>& violations,
                bool failed, const std::vector<std::string>& known,
                const Lesson& lesson) {
  const std::vector<std::string> learned = LearnedFlags(violations, lesson);
  std::vector<std::string> flags = known;
  flags.insert(flags.end(), learned.begin(), learned.end());
  Print(flags.empty() ? "learned: no flag is needed"
                      : absl::StrCat("learned: ", absl::StrJoin(flags, " ")));
  if (result.record.watched_outside) {
    Print(
        "learned: that isn't all, since the sandbox around this one watches; "
        "hint: learn with that one");
  }
  if (result.record.beyond > 0) {
    Print(absl::StrCat("learned: that isn't all, there were more than ",
                       kMaxViolations, " violations"));
  }
  if (result.record.unseen > 0) {
    Print(absl::StrCat("learned: that may not be all, since ",
                       result.record.unseen, " calls could not be looked at"));
  }
  if (failed && !learned.empty()) {
    Print(
        "learned: that may not be all, since the command failed; hint: learn "
        "again with these flags in front of it");
  }
}

}  // namespace encapsulate::tool
