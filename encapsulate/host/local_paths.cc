// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/host/local_paths.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/host/mount_table.h"

namespace encapsulate {

using State = LocalPaths::Directory::State;

const LocalPaths::Directory& LocalPaths::Find(const std::string& text) {
  const auto found = known_.find(text);
  if (found != known_.end()) return found->second;
  Directory directory = Resolve(text);
  return known_.emplace(text, std::move(directory)).first->second;
}

LocalPaths::Directory LocalPaths::Resolve(const std::string& text) {
  constexpr int kMostLinks = 40;  // as the kernel has it
  if (text == "/") return {State::kLocal, "/", ""};
  const size_t slash = text.rfind('/');
  if (slash == std::string::npos) return {};
  Directory above = Find(ParentOf(text));
  const absl::string_view name = absl::string_view(text).substr(slash + 1);
  if (name.empty() || name == ".") return above;
  if (above.state == State::kMissing) return {};
  Directory here = above;
  if (name == ".." && above.state == State::kLocal) {
    here.real = ParentOf(above.real);
    return here;
  }
  here.real = EntryOf(above.real, name);
  if (above.state == State::kSlow) return here;
  switch (table_.At(here.real)) {
    case MountTable::Point::kAutomount:
      return {};
    case MountTable::Point::kSlow:
      return {State::kSlow, here.real, here.real};
    case MountTable::Point::kLocal:
    case MountTable::Point::kNoSockets:
      return here;
    case MountTable::Point::kNone:
      break;
  }
  char target[PATH_MAX];
  const ssize_t size = readlink(here.real.c_str(), target, sizeof(target));
  if (size < 0) return errno == EINVAL ? here : Directory();
  std::string link(target, static_cast<size_t>(size));
  if (link.empty() || links_ >= kMostLinks) return {};
  if (link[0] != '/') link = absl::StrCat(above.real, "/", link);
  ++links_;
  Directory there = Find(link);
  --links_;
  return there;
}

}  // namespace encapsulate
