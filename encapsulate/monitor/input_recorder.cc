// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/input_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/paths.h"
#include "encapsulate/base/unique_fd.h"
#include "encapsulate/plan/syscall_table.h"
#include "encapsulate/violations.h"

namespace encapsulate {
namespace {

// Without what changes nothing: "//", "/./". A link may stand before "..", so
// that stays.
std::string Cleaned(absl::string_view path) {
  std::string cleaned;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part != ".") absl::StrAppend(&cleaned, "/", part);
  }
  return cleaned.empty() ? "/" : cleaned;
}

bool GoesUp(absl::string_view path) {
  return absl::StrContains(path, "/../") || absl::EndsWith(path, "/..");
}

// Whether it is what /proc says of processes: those are the sandbox's.
bool IsOfProcess(absl::string_view path) {
  constexpr absl::string_view kProc = "/proc/";
  if (!absl::StartsWith(path, kProc)) return false;
  const absl::string_view rest = path.substr(kProc.size());
  const absl::string_view name = rest.substr(0, rest.find('/'));
  return name == "self" || name == "thread-self" ||
         absl::c_all_of(name, [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c));
         });
}

Found Find(const ThreadView& thread, const PathOperand& path, LastPart last,
           uint64_t resolve) {
  if (!path.text.empty()) {
    return thread.Find(path.directory, path.text, last, resolve);
  }
  Found found;
  found.file = thread.OpenDescriptor(path.directory);
  return found;
}

// The file that was found, if it has a name.
bool IsThere(const Found& found, struct stat* info) {
  return found.error == 0 && found.file.valid() &&
         fstat(found.file.get(), info) == 0 && info->st_nlink > 0;
}

// Of LastPart::kEntry, where the directory was found and not the file.
bool HasEntry(const Found& found) {
  struct stat info;
  return found.error == 0 && (found.file.valid() ||
                              fstatat(found.directory.get(), found.name.c_str(),
                                      &info, AT_SYMLINK_NOFOLLOW) == 0);
}

bool IsAbsent(const Found& found) {
  return found.error != 0 || !found.file.valid();
}

}  // namespace

InputRecorder::InputRecorder(InputScope scope) : scope_(std::move(scope)) {}

std::string InputRecorder::NameOf(const ThreadView& thread,
                                  const PathOperand& path,
                                  const Found& found) const {
  std::string name;
  if (found.file.valid()) {
    name = PathOf(found.file.get());
  } else if (found.error == 0) {
    name = EntryOf(PathOf(found.directory.get()), found.name);
  }
  if (path.text.empty() ||
      (!name.empty() && IsWithin(name, scope_.directory))) {
    return name;
  }
  const std::string asked = Cleaned(thread.Absolute(path.directory, path.text));
  const bool by_link = !GoesUp(asked) && IsWithin(asked, scope_.directory);
  return by_link || name.empty() ? asked : name;
}

InputRecorder::Input InputRecorder::Named(Input::Kind kind,
                                          const ThreadView& thread,
                                          const PathOperand& path,
                                          const Found& found) const {
  Input input = {kind, NameOf(thread, path, found), ""};
  // "pipe:[4711]" and the like have no name.
  if (!absl::StartsWith(input.path, "/")) input.kind = Input::Kind::kNone;
  return input;
}

bool InputRecorder::IsSameForAll(const std::string& name) const {
  return keeps_names_ && absl::StartsWith(name, "/") &&
         !absl::StartsWith(name, "/proc/");
}

InputRecorder::Input InputRecorder::LookAtOpen(const ThreadView& thread,
                                               const SyscallArgs& call,
                                               const PathOperand& path) const {
  const uint64_t flags = OpenFlags(thread, call);
  const bool only_reads = IsOnlyInput(*call.watched, call.arguments);
  if (only_reads && IsSameForAll(path.text) && names_.count(path.text) != 0) {
    return {};
  }
  const bool makes = (flags & O_CREAT) != 0;
  if ((flags & (O_TMPFILE & ~O_DIRECTORY)) != 0) return {};
  const bool keeps_link =
      (flags & O_NOFOLLOW) != 0 || (makes && (flags & O_EXCL) != 0);
  const LastPart last = keeps_link ? LastPart::kKeep : LastPart::kFollow;
  const uint64_t resolve = ResolveFlags(thread, call);
  const Found found = Find(thread, path, last, resolve);
  const bool absent = IsAbsent(found);
  if (absent && !makes) {
    return Named(Input::Kind::kAbsent, thread, path, found);
  }
  struct stat info;
  const bool replaces = (flags & O_TRUNC) != 0;
  if (absent || replaces) {
    const PathTarget target =
        thread.LookUp(path.directory, path.text, last, resolve);
    if (target.location != PathTarget::Location::kWritable) return {};
    return Named(Input::Kind::kMade, thread, path, found);
  }
  const bool reads = (flags & O_ACCMODE) != O_WRONLY && (flags & O_PATH) == 0 &&
                     IsThere(found, &info) && !S_ISLNK(info.st_mode) &&
                     !S_ISDIR(info.st_mode);
  if (!reads) return {};
  Input input = Named(Input::Kind::kRead, thread, path, found);
  if (resolve == 0 && IsSameForAll(path.text)) input.name = path.text;
  return input;
}

InputRecorder::Input InputRecorder::LookAtList(const ThreadView& thread,
                                               const PathOperand& path) const {
  const Found found = Find(thread, path, LastPart::kFollow, 0);
  struct stat info;
  return IsThere(found, &info) && S_ISDIR(info.st_mode)
             ? Named(Input::Kind::kListed, thread, path, found)
             : Input();
}

// Of the other calls: what is made, or moved, where something else may be read
// later.
InputRecorder::Input InputRecorder::LookAtMade(const ThreadView& thread,
                                               const SyscallArgs& call) {
  for (size_t i = 0; call.watched->operands[i] != Operand::kNone; ++i) {
    const Operand kind = call.watched->operands[i];
    const bool moved = kind == Operand::kEntry;
    const bool is_new = kind == Operand::kNewEntry;
    if (!moved && !is_new && kind != Operand::kReplacedEntry) continue;
    const absl::optional<PathOperand> path = ReadPath(thread, call, i);
    if (!path.has_value()) continue;
    const Found found = Find(thread, *path, LastPart::kEntry, 0);
    // A call that is going to fail makes nothing: of what isn't there, or for
    // what is there already. Where it fails for another reason, nothing is
    // there to be read.
    if (moved ? !HasEntry(found) : is_new && HasEntry(found)) return {};
    if (moved) continue;
    const PathTarget target =
        thread.LookUp(path->directory, path->text, LastPart::kEntry);
    if (target.location != PathTarget::Location::kWritable) continue;
    return {Input::Kind::kMade,
            EntryOf(PathOf(found.directory.get()), found.name), ""};
  }
  return {};
}

InputRecorder::Input InputRecorder::Look(const ThreadView& thread,
                                         const SyscallArgs& call) {
  const bool is_open = IsOpen(call);
  const CallVerb verb = call.watched->verb;
  if (call.watched->rule == Rule::kPrivilege) keeps_names_ = false;
  const bool reads = is_open || verb == CallVerb::kExecute ||
                     verb == CallVerb::kReadLink || verb == CallVerb::kList;
  if (!reads) {
    return call.watched->rule == Rule::kWrite ? LookAtMade(thread, call)
                                              : Input();
  }
  absl::optional<PathOperand> path;
  for (size_t i = 0; call.watched->operands[i] != Operand::kNone; ++i) {
    path = ReadPath(thread, call, i);
    if (path.has_value()) break;
  }
  if (!path.has_value()) {
    return {thread.refused() || thread.HidesMemory() ? Input::Kind::kUnseen
                                                     : Input::Kind::kNone,
            "", ""};
  }
  Input input;
  if (is_open) {
    input = LookAtOpen(thread, call, *path);
  } else if (verb == CallVerb::kList) {
    input = LookAtList(thread, *path);
  } else {
    const bool executes = verb == CallVerb::kExecute;
    const Found found = Find(thread, *path, path->last, 0);
    struct stat info;
    if (IsAbsent(found)) {
      input = Named(Input::Kind::kAbsent, thread, *path, found);
    } else if (IsThere(found, &info) &&
               (executes ? S_ISREG(info.st_mode) : S_ISLNK(info.st_mode))) {
      input = Named(executes ? Input::Kind::kExecuted : Input::Kind::kLink,
                    thread, *path, found);
    }
  }
  if (thread.refused()) return {Input::Kind::kUnseen, "", ""};
  return input;
}

bool InputRecorder::IsOwn(const std::string& path) const {
  if (IsOfProcess(path)) return true;
  // The innermost tree counts.
  bool fresh = false;
  for (const InputScope::Tree& tree : scope_.trees) {
    if (IsWithin(path, tree.path)) fresh = tree.fresh;
  }
  if (fresh) return true;
  if (made_.empty()) return false;
  for (std::string at = path;; at = ParentOf(at)) {
    if (made_.count(at) != 0) return true;
    if (at == "/") return false;
  }
}

void InputRecorder::Add(Input input) {
  const bool made = input.kind == Input::Kind::kMade;
  // It may be a link on the way of any.
  if (made) names_.clear();
  switch (input.kind) {
    case Input::Kind::kNone:
      return;
    case Input::Kind::kUnseen:
      ++record_.unseen;
      return;
    default:
      break;
  }
  std::set<std::string>& list =
      made ? made_
           : lists_[static_cast<size_t>(input.kind) -
                    static_cast<size_t>(Input::Kind::kRead)];
  if (!input.name.empty() && names_.size() < kMaxInputs) {
    names_.insert(std::move(input.name));
  }
  if (list.count(input.path) != 0 || IsOwn(input.path)) return;
  size_t kept = made_.size();
  for (const std::set<std::string>& one : lists_) kept += one.size();
  if (kept >= kMaxInputs) {
    ++record_.beyond;
  } else {
    list.insert(std::move(input.path));
  }
}

InputRecord InputRecorder::Take() {
  std::vector<std::string>* const lists[kLists] = {
      &record_.read, &record_.absent, &record_.listed, &record_.links,
      &record_.executed};
  for (size_t i = 0; i < kLists; ++i) {
    lists[i]->assign(lists_[i].begin(), lists_[i].end());
  }
  record_.directory = scope_.directory;
  return std::move(record_);
}

}  // namespace encapsulate
